package dimse

import "strconv"

// State of an association (PS3.8 Tables 9-1 to 9-5).
type State uint8

// The states of PS3.8 9.2.1.
const (
	Sta1  State = iota + 1 // idle
	Sta2                   // transport open, awaiting A-ASSOCIATE-RQ
	Sta3                   // awaiting local A-ASSOCIATE response
	Sta4                   // awaiting transport open
	Sta5                   // awaiting A-ASSOCIATE-AC or RJ
	Sta6                   // established, ready for data
	Sta7                   // awaiting A-RELEASE-RP
	Sta8                   // awaiting local A-RELEASE response
	Sta9                   // release collision, requestor: awaiting local response
	Sta10                  // release collision, acceptor: awaiting A-RELEASE-RP
	Sta11                  // release collision, requestor: awaiting A-RELEASE-RP
	Sta12                  // release collision, acceptor: awaiting local response
	Sta13                  // awaiting transport close
)

func (s State) String() string { return "Sta" + strconv.Itoa(int(s)) }

// Event is what happens to an association (PS3.8 Table 9-10, rows).
type Event uint8

// The events of PS3.8 Table 9-10.
const (
	Evt1  Event = iota + 1 // A-ASSOCIATE request (local user)
	Evt2                   // transport connect confirmation
	Evt3                   // A-ASSOCIATE-AC PDU
	Evt4                   // A-ASSOCIATE-RJ PDU
	Evt5                   // transport connection indication
	Evt6                   // A-ASSOCIATE-RQ PDU
	Evt7                   // A-ASSOCIATE response, accept (local user)
	Evt8                   // A-ASSOCIATE response, reject (local user)
	Evt9                   // P-DATA request (local user)
	Evt10                  // P-DATA-TF PDU
	Evt11                  // A-RELEASE request (local user)
	Evt12                  // A-RELEASE-RQ PDU
	Evt13                  // A-RELEASE-RP PDU
	Evt14                  // A-RELEASE response (local user)
	Evt15                  // A-ABORT request (local user)
	Evt16                  // A-ABORT PDU
	Evt17                  // transport connection closed
	Evt18                  // ARTIM timer expired
	Evt19                  // unrecognized or invalid PDU
)

func (e Event) String() string { return "Evt" + strconv.Itoa(int(e)) }

// Action is what the upper layer does about an event (PS3.8 Tables 9-6 to 9-9).
type Action uint8

// The actions of PS3.8 9.2.2. NoAction is an empty cell of the table: the event cannot come
// from the network in that state, only from a mistake of the local user.
const (
	NoAction Action = iota
	AE1
	AE2
	AE3
	AE4
	AE5
	AE6
	AE7
	AE8
	DT1
	DT2
	AR1
	AR2
	AR3
	AR4
	AR5
	AR6
	AR7
	AR8
	AR9
	AR10
	AA1
	AA2
	AA3
	AA4
	AA5
	AA6
	AA7
	AA8
)

func (a Action) String() string {
	switch {
	case a == NoAction:
		return "none"
	case a <= AE8:
		return "AE-" + strconv.Itoa(int(a-AE1)+1)
	case a <= DT2:
		return "DT-" + strconv.Itoa(int(a-DT1)+1)
	case a <= AR10:
		return "AR-" + strconv.Itoa(int(a-AR1)+1)
	}
	return "AA-" + strconv.Itoa(int(a-AA1)+1)
}

// transitions is PS3.8 Table 9-10: rows are events, columns states.
var transitions = [19][13]Action{
	//      1    2    3    4    5    6    7    8    9    10    11   12   13
	/* 1*/ {AE1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* 2*/ {0, 0, 0, AE2, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* 3*/ {0, AA1, AA8, 0, AE3, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA6},
	/* 4*/ {0, AA1, AA8, 0, AE4, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA6},
	/* 5*/ {AE5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* 6*/ {0, AE6, AA8, 0, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA7},
	/* 7*/ {0, 0, AE7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* 8*/ {0, 0, AE8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	/* 9*/ {0, 0, 0, 0, 0, DT1, 0, AR7, 0, 0, 0, 0, 0},
	/*10*/ {0, AA1, AA8, 0, AA8, DT2, AR6, AA8, AA8, AA8, AA8, AA8, AA6},
	/*11*/ {0, 0, 0, 0, 0, AR1, 0, 0, 0, 0, 0, 0, 0},
	/*12*/ {0, AA1, AA8, 0, AA8, AR2, AR8, AA8, AA8, AA8, AA8, AA8, AA6},
	/*13*/ {0, AA1, AA8, 0, AA8, AA8, AR3, AA8, AA8, AR10, AR3, AA8, AA6},
	/*14*/ {0, 0, 0, 0, 0, 0, 0, AR4, AR9, 0, 0, AR4, 0},
	/*15*/ {0, 0, AA1, AA2, AA1, AA1, AA1, AA1, AA1, AA1, AA1, AA1, 0},
	/*16*/ {0, AA2, AA3, 0, AA3, AA3, AA3, AA3, AA3, AA3, AA3, AA3, AA2},
	/*17*/ {0, AA5, AA4, AA4, AA4, AA4, AA4, AA4, AA4, AA4, AA4, AA4, AR5},
	/*18*/ {0, AA2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, AA2},
	/*19*/ {0, AA1, AA8, 0, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA8, AA7},
}

// effect is what an action does beside changing the state, in the order of the bits.
type effect uint16

const (
	issue        effect = 1 << iota // tell the local user (indication or confirmation)
	sendPDU                         // the PDU that the event carries: RQ, AC, RJ, P-DATA, RELEASE
	sendAbort                       // A-ABORT
	stopARTIM                       //
	startARTIM                      // start, or restart when it runs
	closeConn                       // close the transport connection
	openConn                        // issue a transport connect request
	senseCollide                    // next state depends on who asked for the association
)

// outcomes has what each action does and where it leads (PS3.8 Tables 9-6 to 9-9). AE-6 leads
// to Sta3; when the request cannot be taken it sends A-ASSOCIATE-RJ and goes on as AE-8.
var outcomes = [...]struct {
	effect effect
	next   State
}{
	AE1:  {openConn, Sta4},
	AE2:  {sendPDU, Sta5},
	AE3:  {issue, Sta6},
	AE4:  {issue | closeConn, Sta1},
	AE5:  {issue | startARTIM, Sta2},
	AE6:  {issue | stopARTIM, Sta3},
	AE7:  {sendPDU, Sta6},
	AE8:  {sendPDU | startARTIM, Sta13},
	DT1:  {sendPDU, Sta6},
	DT2:  {issue, Sta6},
	AR1:  {sendPDU, Sta7},
	AR2:  {issue, Sta8},
	AR3:  {issue | closeConn, Sta1},
	AR4:  {sendPDU | startARTIM, Sta13},
	AR5:  {stopARTIM, Sta1},
	AR6:  {issue, Sta7},
	AR7:  {sendPDU, Sta8},
	AR8:  {issue | senseCollide, Sta9}, // Sta10 for the acceptor
	AR9:  {sendPDU, Sta11},
	AR10: {issue, Sta12},
	AA1:  {sendAbort | startARTIM, Sta13},
	AA2:  {stopARTIM | closeConn, Sta1},
	AA3:  {issue | closeConn, Sta1},
	AA4:  {issue, Sta1},
	AA5:  {stopARTIM, Sta1},
	AA6:  {0, Sta13},
	AA7:  {sendAbort, Sta13},
	AA8:  {sendAbort | issue | startARTIM, Sta13},
}

// Transition returns the action of PS3.8 Table 9-10 and the state it leads to. NoAction leaves
// the state as it is.
func Transition(s State, e Event, requestor bool) (Action, State) {
	if s < Sta1 || s > Sta13 || e < Evt1 || e > Evt19 {
		return NoAction, s
	}
	act := transitions[e-1][s-1]
	if act == NoAction {
		return NoAction, s
	}
	out := outcomes[act]
	if out.effect&senseCollide != 0 && !requestor {
		return act, Sta10
	}
	return act, out.next
}
