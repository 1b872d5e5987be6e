package pdu_test

// Bytes recorded on the loopback interface on 2026-11-23, between DCMTK 3.6.7 (echoscu,
// storescp) and between pynetdicom 3.0.4 (both sides).

// dcmtkAssociateRQ: echoscu asks storescp.
const dcmtkAssociateRQ = "" +
	"\x01\x00\x00\x00\x00\xcd" + // PDU type 01H, 205 bytes
	"\x00\x01\x00\x00" + // protocol version 1, reserved
	"STORESCP        " + // called AE title
	"DCMTK           " + // calling AE title
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // reserved
	"\x10\x00\x00\x15" + // 10H application context, 21 bytes
	"1.2.840.10008.3.1.1.1" + //   value
	" \x00\x00." + // 20H presentation context (RQ), 46 bytes
	"\x01\x00\xff\x00" + //   context ID 1
	"0\x00\x00\x11" + // 30H abstract syntax, 17 bytes
	"1.2.840.10008.1.1" + //   value
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"P\x00\x00:" + // 50H user information, 58 bytes
	"Q\x00\x00\x04" + // 51H maximum length, 4 bytes
	"\x00\x00@\x00" + //   16384
	"R\x00\x00\x1b" + // 52H implementation class UID, 27 bytes
	"1.2.276.0.7230010.3.0.3.6.7" + //   value
	"U\x00\x00\x0f" + // 55H implementation version name, 15 bytes
	"OFFIS_DCMTK_367" //   value

// dcmtkEchoRQ: its C-ECHO-RQ.
const dcmtkEchoRQ = "" +
	"\x04\x00\x00\x00\x00J" + // PDU type 04H, 74 bytes
	"\x00\x00\x00F" + // PDV length 70
	"\x01\x03" + // context ID 1, control header 3: last fragment of a command
	"\x00\x00\x00\x00\x04\x00\x00\x008\x00\x00\x00" + //   (0000,0000)
	"\x00\x00\x02\x00\x12\x00\x00\x001.2.840.10008.1.1\x00" + //   (0000,0002)
	"\x00\x00\x00\x01\x02\x00\x00\x000\x00" + //   (0000,0100)
	"\x00\x00\x10\x01\x02\x00\x00\x00\x01\x00" + //   (0000,0110)
	"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" //   (0000,0800)

// dcmtkReleaseRQ: and its release.
const dcmtkReleaseRQ = "\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"

// dcmtkAssociateAC: storescp accepts.
const dcmtkAssociateAC = "" +
	"\x02\x00\x00\x00\x00\xb8" + // PDU type 02H, 184 bytes
	"\x00\x01\x00\x00" + // protocol version 1, reserved
	"STORESCP        " + // called AE title
	"DCMTK           " + // calling AE title
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // reserved
	"\x10\x00\x00\x15" + // 10H application context, 21 bytes
	"1.2.840.10008.3.1.1.1" + //   value
	"!\x00\x00\x19" + // 21H presentation context (AC), 25 bytes
	"\x01\x00\x00\x00" + //   context ID 1, result 0
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"P\x00\x00:" + // 50H user information, 58 bytes
	"Q\x00\x00\x04" + // 51H maximum length, 4 bytes
	"\x00\x00@\x00" + //   16384
	"R\x00\x00\x1b" + // 52H implementation class UID, 27 bytes
	"1.2.276.0.7230010.3.0.3.6.7" + //   value
	"U\x00\x00\x0f" + // 55H implementation version name, 15 bytes
	"OFFIS_DCMTK_367" //   value

// dcmtkEchoRSP: its C-ECHO-RSP.
const dcmtkEchoRSP = "" +
	"\x04\x00\x00\x00\x00T" + // PDU type 04H, 84 bytes
	"\x00\x00\x00P" + // PDV length 80
	"\x01\x03" + // context ID 1, control header 3: last fragment of a command
	"\x00\x00\x00\x00\x04\x00\x00\x00B\x00\x00\x00" + //   (0000,0000)
	"\x00\x00\x02\x00\x12\x00\x00\x001.2.840.10008.1.1\x00" + //   (0000,0002)
	"\x00\x00\x00\x01\x02\x00\x00\x000\x80" + //   (0000,0100)
	"\x00\x00 \x01\x02\x00\x00\x00\x01\x00" + //   (0000,0120)
	"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" + //   (0000,0800)
	"\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00" //   (0000,0900)

// dcmtkReleaseRP: and its answer to the release.
const dcmtkReleaseRP = "\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"

// pynetdicomAssociateRQ: with every kind of user information.
const pynetdicomAssociateRQ = "" +
	"\x01\x00\x00\x00\x02\xa7" + // PDU type 01H, 679 bytes
	"\x00\x01\x00\x00" + // protocol version 1, reserved
	"PYNET           " + // called AE title
	"PYSCU           " + // calling AE title
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // reserved
	"\x10\x00\x00\x15" + // 10H application context, 21 bytes
	"1.2.840.10008.3.1.1.1" + //   value
	" \x00\x00v" + // 20H presentation context (RQ), 118 bytes
	"\x01\x00\x00\x00" + //   context ID 1
	"0\x00\x00\x11" + // 30H abstract syntax, 17 bytes
	"1.2.840.10008.1.1" + //   value
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.1" + //   value
	"@\x00\x00\x16" + // 40H transfer syntax, 22 bytes
	"1.2.840.10008.1.2.1.99" + //   value
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.2" + //   value
	" \x00\x00R" + // 20H presentation context (RQ), 82 bytes
	"\x03\x00\x00\x00" + //   context ID 3
	"0\x00\x00\x19" + // 30H abstract syntax, 25 bytes
	"1.2.840.10008.5.1.4.1.1.2" + //   value
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.1" + //   value
	"@\x00\x00\x16" + // 40H transfer syntax, 22 bytes
	"1.2.840.10008.1.2.4.90" + //   value
	" \x00\x00\x80" + // 20H presentation context (RQ), 128 bytes
	"\x05\x00\x00\x00" + //   context ID 5
	"0\x00\x00\x1b" + // 30H abstract syntax, 27 bytes
	"1.2.840.10008.5.1.4.1.2.2.3" + //   value
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.1" + //   value
	"@\x00\x00\x16" + // 40H transfer syntax, 22 bytes
	"1.2.840.10008.1.2.1.99" + //   value
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.2" + //   value
	"P\x00\x00\xf2" + // 50H user information, 242 bytes
	"Q\x00\x00\x04" + // 51H maximum length, 4 bytes
	"\x00\x00?\xfe" + //   16382
	"R\x00\x00 " + // 52H implementation class UID, 32 bytes
	"1.2.826.0.1.3680043.9.3811.3.0.4" + //   value
	"U\x00\x00\x0e" + // 55H implementation version name, 14 bytes
	"PYNETDICOM_304" + //   value
	"T\x00\x00\x1d" + // 54H SCP/SCU role selection, 29 bytes
	"\x00\x19" + //   UID length
	"1.2.840.10008.5.1.4.1.1.2" + //   SOP Class UID
	"\x01\x01" + //   SCU role 1, SCP role 1
	"S\x00\x00\x04" + // 53H asynchronous operations window, 4 bytes
	"\x00\x05\x00\x02" + //   invoked 5, performed 2
	"X\x00\x00\x10" + // 58H user identity (RQ), 16 bytes
	"\x02\x01" + //   type 2, positive response requested 1
	"\x00\x04" + //   primary field length
	"user" + //   primary field
	"\x00\x06" + //   secondary field length
	"secret" + //   secondary field
	"V\x00\x00 " + // 56H SOP Class extended negotiation, 32 bytes
	"\x00\x1b" + //   UID length
	"1.2.840.10008.5.1.4.1.2.2.3" + //   SOP Class UID
	"\x01\x00\x01" + //   service class application information
	"W\x00\x00O" + // 57H SOP Class common extended negotiation, 79 bytes
	"\x00\x19" + //   UID length
	"1.2.840.10008.5.1.4.1.1.2" + //   SOP Class UID
	"\x00\x11" + //   UID length
	"1.2.840.10008.4.2" + //   Service Class UID
	"\x00\x1f" + //   length of the related general SOP Classes
	"\x00\x1d" + //     UID length
	"1.2.840.10008.5.1.4.1.1.88.22" //     related general SOP Class UID

// pynetdicomAssociateAC: what its SCP answers to that.
const pynetdicomAssociateAC = "" +
	"\x02\x00\x00\x00\x01E" + // PDU type 02H, 325 bytes
	"\x00\x01\x00\x00" + // protocol version 1, reserved
	"PYNET           " + // called AE title
	"PYSCU           " + // calling AE title
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // reserved
	"\x10\x00\x00\x15" + // 10H application context, 21 bytes
	"1.2.840.10008.3.1.1.1" + //   value
	"!\x00\x00\x19" + // 21H presentation context (AC), 25 bytes
	"\x01\x00\x00\x00" + //   context ID 1, result 0
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"!\x00\x00\x1b" + // 21H presentation context (AC), 27 bytes
	"\x03\x00\x00\x00" + //   context ID 3, result 0
	"@\x00\x00\x13" + // 40H transfer syntax, 19 bytes
	"1.2.840.10008.1.2.1" + //   value
	"!\x00\x00\x19" + // 21H presentation context (AC), 25 bytes
	"\x05\x00\x00\x00" + //   context ID 5, result 0
	"@\x00\x00\x11" + // 40H transfer syntax, 17 bytes
	"1.2.840.10008.1.2" + //   value
	"P\x00\x00\x8b" + // 50H user information, 139 bytes
	"Q\x00\x00\x04" + // 51H maximum length, 4 bytes
	"\x00\x00?\xfe" + //   16382
	"R\x00\x00 " + // 52H implementation class UID, 32 bytes
	"1.2.826.0.1.3680043.9.3811.3.0.4" + //   value
	"U\x00\x00\x0e" + // 55H implementation version name, 14 bytes
	"PYNETDICOM_304" + //   value
	"T\x00\x00\x1d" + // 54H SCP/SCU role selection, 29 bytes
	"\x00\x19" + //   UID length
	"1.2.840.10008.5.1.4.1.1.2" + //   SOP Class UID
	"\x01\x01" + //   SCU role 1, SCP role 1
	"S\x00\x00\x04" + // 53H asynchronous operations window, 4 bytes
	"\x00\x01\x00\x01" + //   invoked 1, performed 1
	"V\x00\x00 " + // 56H SOP Class extended negotiation, 32 bytes
	"\x00\x1b" + //   UID length
	"1.2.840.10008.5.1.4.1.2.2.3" + //   SOP Class UID
	"\x01\x00\x01" //   service class application information
