package postgres

import (
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	insertTerms = `INSERT INTO terms (id, tenant, term) SELECT id, $1, term FROM unnest($2::bigint[], $3::text[]) n (id, term)`

	insertInstances = `INSERT INTO instances (id, tenant, series, study, number, class, syntax, source, object,
			"offset", length, dataset_offset, dataset_crc, received, uid, attrs)
		SELECT id, $1, series, study, number, class, syntax, source, object, "offset", length, dataset_offset,
			dataset_crc, received, uid, attrs
		FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bytea[])
			n (id, series, study, number, class, syntax, source, object, "offset", length, dataset_offset,
			dataset_crc, received, uid, attrs)`
	insertData = `INSERT INTO instance_data (id, tenant, header, frames)
		SELECT id, $1, header, frames FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) n (id, header, frames)`
)

// instanceColumns are the new instances of a transaction, by column.
type instanceColumns struct {
	ints           [13][]int64 // id, series, study, number, class, syntax, source, object, offset, length, dataset offset, CRC, received
	uid            []string
	attrs          [][]byte
	header, frames [][]byte
}

// pairs are numbered texts to be inserted.
type pairs struct {
	ids   []int64
	texts []string
}

func (p *pairs) add(id int64, text string) { p.ids, p.texts = append(p.ids, id), append(p.texts, text) }

// add takes in one instance, its parents where they are new, and its change. It is a matter of
// memory: gather has read what there is, and flush writes what there will be.
func (w *writer) add(a *addition) error {
	o := w.object(a.in.Blob.Location.Object)
	if e := w.existing[a.in.SOPInstanceUID]; e != nil {
		if a.replace {
			a.gives = true
			return nil
		}
		found := *e
		a.result = index.Added{Existing: &found}
		// Seen all the same: it is a replay, or a duplicate whose bytes the archive takes back.
		w.ix.objects.seen(o, a.in.Blob)
		return nil
	}
	st, se, err := w.parents(a)
	if err != nil {
		return err
	}
	received := w.now.UnixNano()
	if !a.in.Blob.Received.IsZero() {
		received = a.in.Blob.Received.UnixNano()
	}
	l := a.in.Blob.Location
	id := w.nextChange()
	c := &w.columns
	for i, v := range [...]int64{id, se.id, st.id, a.Number, w.term(a.in.SOPClassUID), w.term(a.in.TransferSyntaxUID),
		w.term(a.in.SourceAET), o.id, l.Offset, l.Length, a.in.DatasetOffset, int64(a.in.DatasetCRC), received} {
		c.ints[i] = append(c.ints[i], v)
	}
	c.uid, c.attrs = append(c.uid, a.in.SOPInstanceUID), append(c.attrs, a.Attrs)
	c.header, c.frames = append(c.header, a.Header), append(c.frames, a.in.Frames)

	a.result.Sequence = w.seq
	w.existing[a.in.SOPInstanceUID] = entryOf(a, received)
	w.more.Instances, w.more.Bytes = w.more.Instances+1, w.more.Bytes+l.Length
	se.instances, se.revision, se.dirty = se.instances+1, w.seq, true
	st.instances, st.dirty = st.instances+1, true
	st.addClass(text(a.in.SOPClassUID))
	if w.latest != st.id { // else it is the last to have arrived already
		w.latest, st.arrived = st.id, w.seq
	}
	w.ix.objects.seen(o, a.in.Blob)
	return nil
}

// term returns the number of a term, a new one if need be.
func (w *writer) term(s string) int64 {
	s = text(s)
	id, ok := w.terms[s]
	if !ok {
		id = w.nextRow()
		w.terms[s], w.learned[s] = id, id
		w.newTerms.add(id, s)
	}
	return id
}

// flush queues all that add made: parents before what is under them.
func (w *writer) flush() error {
	if t := &w.newTerms; len(t.ids) > 0 {
		w.queue(insertTerms, w.tenant, t.ids, t.texts)
	}
	w.insertObjects()
	if err := w.flushParents(); err != nil {
		return err
	}
	if c := &w.columns; len(c.uid) > 0 {
		args := []any{w.tenant}
		for _, column := range c.ints {
			args = append(args, column)
		}
		w.queue(insertInstances, append(args, c.uid, c.attrs)...)
		w.queue(insertData, w.tenant, c.ints[0], c.header, c.frames)
	}
	for _, l := range w.ix.objects.tails(w.touched) {
		w.queue(updateTails, w.tenant, l[0], l[1])
	}
	return nil
}
