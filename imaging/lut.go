package imaging

// LUT is a look-up table of the Modality, VOI or Presentation LUT (PS3.3 C.11.1.1, C.11.2.1.1):
// the entry for input First+i is Data[i]; inputs before and behind take the first and the last.
type LUT struct {
	First       int // may be negative
	Bits        int // of an entry: 8 to 16
	Data        []uint16
	Explanation string
}

// Modality makes stored values into those of the modality, such as Hounsfield Units: by the
// LUT, else by Slope and Intercept (PS3.3 C.11.1).
type Modality struct {
	Slope, Intercept float64
	LUT              *LUT
	Type             string // Rescale Type or Modality LUT Type: "HU", "US"
}

// Function is how a window maps its values (PS3.3 C.11.2.1.3).
type Function string

// The functions of a window. An empty one is Linear.
const (
	Linear      Function = "LINEAR"
	LinearExact Function = "LINEAR_EXACT"
	Sigmoid     Function = "SIGMOID"
)

// Window is the range of values to show (PS3.3 C.11.2.1.2).
type Window struct {
	Center, Width float64
	Function      Function
	Explanation   string
}

// VOI is what an image or a presentation state offers as values of interest: alternatives,
// the most wanted first (PS3.3 C.11.2).
type VOI struct {
	Windows []Window
	LUTs    []LUT
}

// Palette gives index First+i the colour Colors[i]; indices before and behind take the first and
// the last (PS3.3 C.7.6.3.1.5).
type Palette struct {
	First  int
	Colors [][3]uint8
}
