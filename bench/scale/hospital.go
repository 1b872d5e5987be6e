package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// hospital is a seeded hospital: study n is the same whenever it is asked for, so a load can go
// on where it was broken off, and a question can be about any study without a list of them.
type hospital struct {
	seed      uint64
	perObject int // instances in one object of the blob store
}

// study is what its instances say of it.
type study struct {
	n           int
	uid         string
	id          string
	accession   string
	date, time  string
	description string
	referring   string
	patient     patient
	device      device
	series      []series
}

type patient struct {
	id, name, birth, sex string
}

type device struct {
	manufacturer, model, station, serial string
	random                               bool // UIDs without order, as UUIDs are
	root                                 string
}

type series struct {
	uid         string
	number      int
	modality    modality
	description string
	part        string
	instances   int
}

type modality struct {
	name, class string
	rows        int
	weight      int // of 100 studies
	series      span
	instances   span // of a series
}

// span is drawn from with its middle as the mean.
type span struct{ least, most int }

func (s span) draw(r *rand.Rand) int { return s.least + r.IntN(s.most-s.least+1) }

// modalities make 3.9 series a study and 64 instances a series.
var modalities = []modality{
	{"CT", "1.2.840.10008.5.1.4.1.1.2", 512, 35, span{2, 6}, span{20, 180}},
	{"MR", "1.2.840.10008.5.1.4.1.1.4", 256, 25, span{4, 10}, span{15, 65}},
	{"DX", "1.2.840.10008.5.1.4.1.1.1.1", 2500, 20, span{1, 2}, span{1, 3}},
	{"US", "1.2.840.10008.5.1.4.1.1.6.1", 600, 10, span{1, 1}, span{5, 40}},
	{"MG", "1.2.840.10008.5.1.4.1.1.1.2", 3328, 5, span{2, 4}, span{1, 2}},
	{"PT", "1.2.840.10008.5.1.4.1.1.128", 200, 5, span{2, 6}, span{100, 300}},
}

const (
	families     = 20_000 // different family names
	givens       = 2_000
	devices      = 40
	days         = 3652
	newPatients  = 2. / 3 // of the studies: 1.5 studies a patient
	randomUIDs   = 4      // every so many devices
	otherScripts = 20     // every so many patients has three component groups
)

var firstDay = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// salts of what is drawn for one number.
const (
	saltStudy = iota + 1
	saltPatient
	saltWho
)

func (h hospital) rand(salt, n int) *rand.Rand {
	return rand.New(rand.NewPCG(h.seed<<8|uint64(salt), uint64(n)*0x9e3779b97f4a7c15)) //nolint:gosec // made-up data
}

// study makes the nth study.
func (h hospital) study(n int) *study {
	r := h.rand(saltStudy, n)
	m := drawModality(r)
	number := r.IntN(devices)
	st := &study{
		n: n, id: fmt.Sprint(100_000 + n), accession: fmt.Sprintf("A%09d", r.IntN(1_000_000)*1000+n%1000),
		date: firstDay.AddDate(0, 0, r.IntN(days)).Format("20060102"),
		time: fmt.Sprintf("%02d%02d%02d.%06d", 6+r.IntN(16), r.IntN(60), r.IntN(60), r.IntN(1_000_000)),
		device: device{
			manufacturer: []string{"SIEMENS", "GE MEDICAL SYSTEMS", "Philips", "Canon Medical"}[number%4],
			model:        fmt.Sprintf("Scanner %d", number), station: fmt.Sprintf("ST%03d", number),
			serial: fmt.Sprint(50_000 + number), random: number%randomUIDs == 0,
			root: fmt.Sprintf("1.2.840.113619.2.%d", 300+number),
		},
		referring: name(r, false), patient: h.patient(h.whose(n)),
	}
	st.uid = st.newUID(r)
	st.description = pick(r, bodyParts) + pick(r, []string{"", " W/O CONTRAST", " ROUTINE", "^01_NATIVE", " FOLLOW UP"})
	for i := range m.series.draw(r) {
		st.series = append(st.series, series{
			uid: st.newUID(r), number: i + 1, modality: m, part: strings.ToUpper(pick(r, bodyParts)),
			description: fmt.Sprintf("%s %.1f", pick(r, protocols), float64(1+r.IntN(50))/10), instances: m.instances.draw(r),
		})
	}
	return st
}

// newUID is one under the device's root, or (by devices that make them so) a UUID.
func (st *study) newUID(r *rand.Rand) string {
	if st.device.random {
		return fmt.Sprintf("2.25.%d%018d", 1+r.Uint64N(math.MaxUint64/2), r.Uint64N(1e18))
	}
	return fmt.Sprintf("%s.%s%s.%d.%d", st.device.root, st.date, st.time[:6], r.IntN(100_000), st.n)
}

// instanceUID of the kth instance, from 1.
func (h hospital) instanceUID(st *study, se *series, k int) string {
	if st.device.random {
		r := h.rand(1000+se.number, st.n*4096+k)
		return fmt.Sprintf("2.25.%d%018d", 1+r.Uint64N(math.MaxUint64/2), r.Uint64N(1e18))
	}
	return fmt.Sprintf("%s.%d", se.uid, k)
}

// instances of the study.
func (st *study) instances() int {
	n := 0
	for i := range st.series {
		n += st.series[i].instances
	}
	return n
}

// whose is the number of the study's patient: that of the first study the patient had.
func (h hospital) whose(n int) int {
	for n > 0 {
		r := h.rand(saltWho, n)
		if r.Float64() < newPatients {
			break
		}
		n = r.IntN(n) // somebody who was here before
	}
	return n
}

func (h hospital) patient(n int) patient {
	r := h.rand(saltPatient, n)
	return patient{
		id: fmt.Sprintf("%08d", n*17+r.IntN(17)), name: name(r, n%otherScripts == 0),
		birth: firstDay.AddDate(-r.IntN(95), 0, -r.IntN(365)).Format("20060102"), sex: pick(r, []string{"F", "M", "M", "F", "O"}),
	}
}

func drawModality(r *rand.Rand) modality {
	x := r.IntN(100)
	for _, m := range modalities {
		if x -= m.weight; x < 0 {
			return m
		}
	}
	return modalities[0]
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

var (
	bodyParts = []string{"Head", "Chest", "Abdomen", "Knee", "Spine", "Pelvis", "Neck", "Shoulder", "Hand", "Heart"}
	protocols = []string{"AXIAL", "CORONAL", "SAGITTAL", "T1 TSE", "T2 FLAIR", "SCOUT", "BONE", "LUNG", "SOFT TISSUE", "DWI"}
	syllables = []string{"an", "ber", "chi", "der", "el", "fa", "gor", "hal", "is", "jo", "ka", "lin", "mar", "nov", "ol",
		"pe", "quin", "ros", "son", "tor", "ul", "vi", "wil", "xa", "yu", "zim", "mül", "gar", "cía", "lund"}
	common = []string{"SMITH", "Müller", "García", "Johnson", "WILLIAMS", "Nguyen", "Kowalski", "Rossi", "Dubois", "O'Brien",
		"van der Berg", "Ivanova", "Martínez", "BROWN", "Novák", "Jensen", "Schmidt", "Lee", "Silva", "Yılmaz"}
	commonGiven = []string{"Maria", "John", "Anna", "David", "JOSE", "Li", "Ann Marie", "Peter", "Zoë", "Mohammed"}
	threeGroups = []string{"Yamada^Tarou=山田^太郎=やまだ^たろう", "Suzuki^Hanako=鈴木^花子=すずき^はなこ",
		"Hong^Gildong=洪^吉洞=홍^길동", "Wang^XiaoDong=王^小東=", "Sato^Kenji=佐藤^健二=さとう^けんじ"}
)

// name draws as names are spread: few that many have, many that few have (Zipf).
func name(r *rand.Rand, otherScript bool) string {
	if otherScript {
		return pick(r, threeGroups)
	}
	return word(rank(r, families), common) + "^" + word(rank(r, givens), commonGiven)
}

// rank draws from 0 to n-1 with a weight of about 1/(rank+10).
func rank(r *rand.Rand, n int) int {
	const shift = 10
	return int(shift*math.Pow(float64(n+shift)/shift, r.Float64())) - shift
}

// word is the name of a rank: a common one, else made of syllables.
func word(rank int, list []string) string {
	if rank < len(list) {
		return list[rank]
	}
	var b strings.Builder
	for x := rank; x > 0; x /= len(syllables) {
		b.WriteString(syllables[x%len(syllables)])
	}
	s := b.String()
	return strings.ToUpper(s[:1]) + s[1:]
}
