package media

// These formats carry no speech. Comfort noise (RFC 3389; 19 is its payload
// type in old drafts) is rendered as silence: the noise is the listener's own
// invention, and a recording holds what was sent.
var (
	codecCN = codec{
		name: "CN",
		static: []Format{
			{Payload: 13, Name: "CN", Clock: 8000},
			{Payload: 19, Name: "CN", Clock: 8000},
		},
		content: noise,
	}
	codecTelephoneEvent = codec{name: "TELEPHONE-EVENT", content: event}
	codecRED            = codec{name: "RED", content: nothing}
)
