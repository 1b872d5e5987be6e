package dimse

// PresentationContext is a negotiated context: what is talked about, and how it is encoded.
type PresentationContext struct {
	ID             byte
	AbstractSyntax string // SOP Class UID
	TransferSyntax string // the accepted one; empty when refused
	Result         ContextResult
	// Roles of the association's requestor (PS3.7 D.3.3.4); SCU unless it negotiated others.
	RequestorSCU bool
	RequestorSCP bool
}

// Accepted reports whether messages may use the context.
func (c PresentationContext) Accepted() bool { return c.Result == ContextAccepted }

// ContextResult is the answer to a proposed context (PS3.8 Table 9-18).
type ContextResult byte

// The results of PS3.8 Table 9-18.
const (
	ContextAccepted                     ContextResult = 0
	ContextUserRejected                 ContextResult = 1
	ContextNoReason                     ContextResult = 2
	ContextAbstractSyntaxNotSupported   ContextResult = 3
	ContextTransferSyntaxesNotSupported ContextResult = 4
)

// Service is what a server offers for an abstract syntax.
type Service struct {
	// TransferSyntaxes that are accepted; nil accepts every one that is proposed.
	TransferSyntaxes []string
	// OwnOrder picks by the order of TransferSyntaxes; otherwise the requestor's order decides.
	OwnOrder bool
	// PeerSCP lets the requestor be SCP of the SOP Class when it asks to (C-GET, and N-EVENT
	// the other way round). Being SCU is always granted.
	PeerSCP bool
	// Extended answers the SOP Class Extended Negotiation (PS3.7 D.3.3.5) with its Service
	// Class Application Information; nil or a nil result answers nothing.
	Extended func(info []byte) []byte
}

// Contexts is the registry of what a server accepts. It is not changed after the server starts.
type Contexts struct {
	services map[string]Service
	// Match answers for abstract syntaxes that were not added (private storage classes).
	Match func(AbstractSyntax string) (Service, bool)
}

// Add registers the service for abstract syntaxes.
func (c *Contexts) Add(s Service, AbstractSyntaxes ...string) {
	if c.services == nil {
		c.services = make(map[string]Service)
	}
	for _, uid := range AbstractSyntaxes {
		c.services[uid] = s
	}
}

// Lookup returns the service of an abstract syntax.
func (c *Contexts) Lookup(AbstractSyntax string) (Service, bool) {
	if s, ok := c.services[AbstractSyntax]; ok {
		return s, true
	}
	if c.Match != nil {
		return c.Match(AbstractSyntax)
	}
	return Service{}, false
}
