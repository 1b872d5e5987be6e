package gateway

// Status is the door's table of Kinds.
var Status = status
