package media

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// A protected packet, RTP then RTCP (RFC 3711 sections 3.1 and 3.4, RFC 7714
// sections 8 and 9); the header of RTCP is 8 octets:
//
//	counter mode  header  payload*  [MKI]  tag
//	              header  payload*  E|index  [MKI]  tag
//	GCM           header  payload*  tag*  [MKI]
//	              header  payload*  tag*  E|index  [MKI]
const rtcpHeader = 8

// openRTP authenticates packet, which has the given index (48 bits), and
// decrypts it in place. headerLen is that of its header with CSRCs and
// extension. False: it is not by this key, and unchanged.
func (k *srtpKey) openRTP(b []byte, headerLen int, index uint64) ([]byte, bool) {
	mki := len(k.master.MKI)
	if k.suite.gcm {
		end := len(b) - mki
		if end < headerLen+gcmTag || string(b[end:]) != string(k.master.MKI) {
			return nil, false
		}
		k.rtpNonce(b, index)
		out, err := k.rtp.aead.Open(k.room(len(b)), k.counter[:12], b[headerLen:end], b[:headerLen])
		if err != nil {
			return nil, false
		}
		return b[:headerLen+copy(b[headerLen:], out)], true
	}
	tag := len(b) - k.suite.tag
	end := tag - mki
	if end < headerLen || string(b[end:tag]) != string(k.master.MKI) ||
		subtle.ConstantTimeCompare(b[tag:], k.rtpTag(b[:end], index)) != 1 {
		return nil, false
	}
	k.rtpCounter(b, index)
	k.crypt(k.rtp.block, b[headerLen:end])
	return b[:end], true
}

// sealRTP appends the protected packet to dst, which must not overlap it.
func (k *srtpKey) sealRTP(dst, packet []byte, headerLen int, index uint64) []byte {
	start := len(dst)
	dst = append(dst, packet[:headerLen]...)
	if k.suite.gcm {
		k.rtpNonce(packet, index)
		dst = k.rtp.aead.Seal(dst, k.counter[:12], packet[headerLen:], packet[:headerLen])
		return append(dst, k.master.MKI...)
	}
	dst = append(dst, packet[headerLen:]...)
	k.rtpCounter(packet, index)
	k.crypt(k.rtp.block, dst[start+headerLen:])
	tag := k.rtpTag(dst[start:], index)
	return append(append(dst, k.master.MKI...), tag...)
}

// openRTCP is like openRTP; the index, 31 bits, comes with the packet.
func (k *srtpKey) openRTCP(b []byte) (clear []byte, index uint32, ok bool) {
	if k.suite.gcm {
		return k.openRTCPWithGCM(b)
	}
	clear, index, ok = k.openTaggedRTCP(b, srtcpTag)
	if !ok && k.suite.tag < srtcpTag {
		// Some senders sign RTCP as briefly as RTP.
		return k.openTaggedRTCP(b, k.suite.tag)
	}
	return clear, index, ok
}

func (k *srtpKey) openTaggedRTCP(b []byte, tagLen int) (clear []byte, index uint32, ok bool) {
	tag := len(b) - tagLen
	mki := tag - len(k.master.MKI)
	tail := mki - srtcpTail
	if tail < rtcpHeader || string(b[mki:tag]) != string(k.master.MKI) {
		return nil, 0, false
	}
	k.rtcp.mac.Reset()
	k.rtcp.mac.Write(b[:mki])
	if subtle.ConstantTimeCompare(b[tag:], k.rtcp.mac.Sum(k.sum[:0])[:tagLen]) != 1 {
		return nil, 0, false
	}
	index, isEncrypted := srtcpIndex(b[tail:])
	if isEncrypted {
		k.startCounter(&k.rtcp, b[4:8], uint64(index))
		k.crypt(k.rtcp.block, b[rtcpHeader:tail])
	}
	return b[:tail], index, true
}

// srtpRoom is what protection adds to a packet at most, with an MKI of ours.
const srtpRoom = gcmTag + srtcpTail + srtcpTag

// sealRTCP protects b, which has srtpRoom left, in place. Each index is used
// once.
func (k *srtpKey) sealRTCP(b []byte, index uint32) []byte {
	word := index&0x7fffffff | 1<<31
	if k.suite.gcm {
		k.startNonce(&k.rtcp, b[4:8], uint64(index&0x7fffffff))
		copy(k.aad[:], b[:rtcpHeader])
		binary.BigEndian.PutUint32(k.aad[rtcpHeader:], word)
		b = k.rtcp.aead.Seal(b[:rtcpHeader], k.counter[:12], b[rtcpHeader:], k.aad[:])
		b = binary.BigEndian.AppendUint32(b, word)
		return append(b, k.master.MKI...)
	}
	k.startCounter(&k.rtcp, b[4:8], uint64(index&0x7fffffff))
	k.crypt(k.rtcp.block, b[rtcpHeader:])
	b = binary.BigEndian.AppendUint32(b, word)
	k.rtcp.mac.Reset()
	k.rtcp.mac.Write(b)
	tag := k.rtcp.mac.Sum(k.sum[:0])[:srtcpTag]
	return append(append(b, k.master.MKI...), tag...)
}

// srtcpIndex reads the word behind the payload (RFC 3711 section 3.4).
func srtcpIndex(b []byte) (index uint32, isEncrypted bool) {
	word := binary.BigEndian.Uint32(b)
	return word & 0x7fffffff, word>>31 == 1
}

// openRTCPWithGCM opens a packet whose tag stands before its index (RFC 7714
// section 9).
func (k *srtpKey) openRTCPWithGCM(b []byte) (clear []byte, index uint32, ok bool) {
	mki := len(b) - len(k.master.MKI)
	tail := mki - srtcpTail
	end := tail - gcmTag
	if end < rtcpHeader || string(b[mki:]) != string(k.master.MKI) {
		return nil, 0, false
	}
	index, isEncrypted := srtcpIndex(b[tail:])
	k.startNonce(&k.rtcp, b[4:8], uint64(index))
	if isEncrypted {
		copy(k.aad[:], b[:rtcpHeader])
		copy(k.aad[rtcpHeader:], b[tail:tail+srtcpTail])
		out, err := k.rtcp.aead.Open(k.room(len(b)), k.counter[:12], b[rtcpHeader:tail], k.aad[:])
		if err != nil {
			return nil, 0, false
		}
		return b[:rtcpHeader+copy(b[rtcpHeader:], out)], index, true
	}
	// All of a packet that is not encrypted is associated data, its index after it.
	aad := append(append(k.room(len(b)), b[:end]...), b[tail:tail+srtcpTail]...)
	_, err := k.rtcp.aead.Open(nil, k.counter[:12], b[end:tail], aad)
	return b[:end], index, err == nil
}

// rtpTag is the authentication tag of a protected packet without MKI, valid
// until the next one (RFC 3711 section 4.2).
func (k *srtpKey) rtpTag(b []byte, index uint64) []byte {
	mac := k.rtp.mac
	mac.Reset()
	mac.Write(b)
	binary.BigEndian.PutUint32(k.word[:], uint32(index>>16))
	mac.Write(k.word[:])
	return mac.Sum(k.sum[:0])[:k.suite.tag]
}

func (k *srtpKey) rtpCounter(packet []byte, index uint64) {
	k.startCounter(&k.rtp, packet[8:12], index)
}

// startCounter makes the first counter block of a packet (RFC 3711 section 4.1.1).
func (k *srtpKey) startCounter(s *srtpSession, ssrc []byte, index uint64) {
	k.counter = [aes.BlockSize]byte{}
	copy(k.counter[4:], ssrc)
	putIndex(k.counter[8:14], index)
	subtle.XORBytes(k.counter[:14], k.counter[:14], s.salt[:])
}

func (k *srtpKey) rtpNonce(packet []byte, index uint64) {
	k.startNonce(&k.rtp, packet[8:12], index)
}

// startNonce makes a packet's GCM nonce: two zero octets, SSRC and 48 bits of
// index, with the salt (RFC 7714 sections 8.1 and 9.1).
func (k *srtpKey) startNonce(s *srtpSession, ssrc []byte, index uint64) {
	k.counter = [aes.BlockSize]byte{}
	copy(k.counter[2:], ssrc)
	putIndex(k.counter[6:12], index)
	subtle.XORBytes(k.counter[:12], k.counter[:12], s.salt[:12])
}

func putIndex(b []byte, index uint64) {
	binary.BigEndian.PutUint16(b, uint16(index>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(index))
}

// crypt runs the counter mode over b in place. A cipher.Stream would be
// allocated anew for each packet.
func (k *srtpKey) crypt(block cipher.Block, b []byte) {
	for n := uint16(0); len(b) > 0; n++ {
		binary.BigEndian.PutUint16(k.counter[14:], n)
		block.Encrypt(k.stream[:], k.counter[:])
		b = b[subtle.XORBytes(b, b, k.stream[:]):]
	}
}
