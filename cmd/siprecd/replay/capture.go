package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// largestFrame is what tcpdump and Wireshark write at most.
const largestFrame = 256 << 10

// frame is one record of a capture file. Its data is valid until the next one.
type frame struct {
	at   time.Time
	link layers.LinkType
	data []byte
	cut  bool // the capture kept only its beginning
}

// frames reads pcap and pcapng, plain or gzipped.
type frames struct {
	next func() ([]byte, gopacket.CaptureInfo, error)
	link func(gopacket.CaptureInfo) layers.LinkType
	last time.Time
}

// errNoCapture is a file that is neither pcap nor pcapng.
var errNoCapture = errors.New("not a capture file (pcap or pcapng)")

func openFrames(r io.Reader) (*frames, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	magic, err := b.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: only %d bytes long", errNoCapture, len(magic))
	}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return nil, fmt.Errorf("the file is compressed: unpack it with gunzip first")
	case magic[0] == 0x0a && magic[1] == 0x0d && magic[2] == 0x0d && magic[3] == 0x0a:
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoCapture, err)
		}
		return &frames{next: ng.ZeroCopyReadPacketData, link: func(ci gopacket.CaptureInfo) layers.LinkType {
			t, _ := ci.AncillaryData[0].(layers.LinkType)
			return t
		}}, nil
	}
	p, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCapture, err)
	}
	// Writers exist that keep longer packets than the header allows.
	p.SetSnaplen(largestFrame)
	link := p.LinkType()
	return &frames{next: p.ZeroCopyReadPacketData, link: func(gopacket.CaptureInfo) layers.LinkType { return link }}, nil
}

// read returns the next frame. At the end err is io.EOF, of a file that ends
// within a record io.ErrUnexpectedEOF.
func (f *frames) read() (frame, error) {
	data, ci, err := f.next()
	if err != nil {
		return frame{}, err
	}
	if len(data) > largestFrame {
		return frame{}, fmt.Errorf("a packet of %d bytes: the file is damaged", len(data))
	}
	// A simple packet block has no time: it came with the one before it.
	if !ci.Timestamp.IsZero() {
		f.last = ci.Timestamp
	}
	return frame{at: f.last, link: f.link(ci), data: data, cut: ci.CaptureLength < ci.Length}, nil
}
