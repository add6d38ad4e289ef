/* coder encodes, or for G.722 and G.726 decodes, standard input to standard
 * output by libraries that Debian has no program for: coder encode CODEC, coder
 * decode CODEC.
 * Samples are 16 bits of this machine, at 16 kHz for g722 and amr-wb, at 8 kHz
 * for all others. Codes come out without anything around them, but for amr-wb,
 * whose frames have a byte in front that tells their type (RFC 4867 section 5.3).
 */
#include <stdio.h>
#include <string.h>

#include <bcg729/encoder.h>
#include <spandsp.h>
#include <vo-amrwbenc/enc_if.h>

enum { LONGEST = 1 << 21 };
static int16_t pcm[LONGEST];
static uint8_t code[LONGEST];

static int g729(int samples)
{
	bcg729EncoderChannelContextStruct *s = initBcg729EncoderChannel(0);
	int size = 0;
	for (int at = 0; at + 80 <= samples; at += 80) {
		uint8_t n = 0;
		bcg729Encoder(s, pcm + at, code + size, &n);
		size += n;
	}
	return size;
}

static int amr_wb(int samples)
{
	void *s = E_IF_init();
	int size = 0, mode = 8; /* 23.85 kbit/s */
	for (int at = 0; at + 320 <= samples; at += 320)
		size += E_IF_encode(s, mode, pcm + at, code + size, 0);
	return size;
}

/* g726 makes the state of a codec by its name, NULL when it is another. The first
 * sample of a byte lies right in RTP, left in AAL2 (RFC 3551 section 4.5.4). */
static g726_state_t *g726(const char *codec)
{
	int rate;
	if (sscanf(codec, "g726-%d", &rate) == 1)
		return g726_init(NULL, 1000 * rate, G726_ENCODING_LINEAR, G726_PACKING_RIGHT);
	if (sscanf(codec, "aal2-g726-%d", &rate) == 1)
		return g726_init(NULL, 1000 * rate, G726_ENCODING_LINEAR, G726_PACKING_LEFT);
	return NULL;
}

static int encode(const char *codec, int samples)
{
	if (!strcmp(codec, "g722"))
		return g722_encode(g722_encode_init(NULL, 64000, 0), code, pcm, samples);
	if (!strcmp(codec, "gsm"))
		return gsm0610_encode(gsm0610_init(NULL, GSM0610_PACKING_VOIP), code, pcm, samples);
	if (!strcmp(codec, "g729"))
		return g729(samples);
	if (!strcmp(codec, "amr-wb"))
		return amr_wb(samples);
	if (g726(codec))
		return g726_encode(g726(codec), code, pcm, samples);
	return -1;
}

static int decode(const char *codec, int size)
{
	if (!strcmp(codec, "g722"))
		return g722_decode(g722_decode_init(NULL, 64000, 0), pcm, code, size);
	if (g726(codec))
		return g726_decode(g726(codec), pcm, code, size);
	return -1;
}

int main(int argc, char **argv)
{
	int n = -1;
	if (argc == 3 && !strcmp(argv[1], "encode")) {
		n = encode(argv[2], fread(pcm, 2, LONGEST, stdin));
		if (n >= 0)
			fwrite(code, 1, n, stdout);
	} else if (argc == 3 && !strcmp(argv[1], "decode")) {
		n = decode(argv[2], fread(code, 1, LONGEST / 8, stdin));
		if (n >= 0)
			fwrite(pcm, 2, n, stdout);
	}
	if (n < 0) {
		fprintf(stderr, "usage: coder encode g722|gsm|g729|amr-wb|g726-RATE|aal2-g726-RATE, coder decode g722|g726-RATE|aal2-g726-RATE\n");
		return 2;
	}
	return 0;
}
