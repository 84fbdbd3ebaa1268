/* The other side of the comparison of codecs: libgsm, spandsp, bcg729, libopus and libsrtp2 by their own words.
 *
 *   oracle WHAT [ARGUMENTS] < input > output
 *
 * Sound is 16-bit linear PCM of the machine's byte order. Packets are preceded by their length, two octets, the high one
 * first; an empty packet is a lost one (or one that was refused). */
#include <gsm.h>
#include <opus.h>
#include <spandsp.h>
#include <srtp2/srtp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bcg729/decoder.h>
#include <bcg729/encoder.h>

static void die(const char *why) {
    fprintf(stderr, "oracle: %s\n", why);
    exit(2);
}

static size_t take(void *to, size_t size, size_t count) { return fread(to, size, count, stdin); }

static void put(const void *from, size_t size, size_t count) {
    if (fwrite(from, size, count, stdout) != count) die("cannot write");
}

static int take_packet(uint8_t *to) {
    uint8_t head[2];
    if (take(head, 1, 2) != 2) return -1;
    int len = head[0] << 8 | head[1];
    if (take(to, 1, len) != (size_t)len) die("cut packet");
    return len;
}

static void put_packet(const uint8_t *from, int len) {
    uint8_t head[2] = {len >> 8, len};
    put(head, 1, 2);
    put(from, 1, len);
}

static void gsm_side(int encode) {
    gsm state = gsm_create();
    gsm_signal pcm[160];
    gsm_byte frame[33];
    if (encode)
        while (take(pcm, 2, 160) == 160) gsm_encode(state, pcm, frame), put(frame, 1, 33);
    else
        while (take(frame, 1, 33) == 33) {
            if (gsm_decode(state, frame, pcm)) die("no GSM frame");
            put(pcm, 2, 160);
        }
}

static void g722_side(int encode) {
    int16_t pcm[640];
    uint8_t octets[320];
    int len;
    if (encode) {
        g722_encode_state_t *state = g722_encode_init(NULL, 64000, 0);
        while ((len = take(pcm, 2, 320)) > 0) put(octets, 1, g722_encode(state, octets, pcm, len));
    } else {
        g722_decode_state_t *state = g722_decode_init(NULL, 64000, 0);
        while ((len = take(octets, 1, 160)) > 0) put(pcm, 2, g722_decode(state, pcm, octets, len));
    }
}

static void g711_side(int encode, int alaw) {
    int16_t sample;
    uint8_t octet;
    if (encode)
        while (take(&sample, 2, 1)) octet = alaw ? linear_to_alaw(sample) : linear_to_ulaw(sample), put(&octet, 1, 1);
    else
        while (take(&octet, 1, 1)) sample = alaw ? alaw_to_linear(octet) : ulaw_to_linear(octet), put(&sample, 2, 1);
}

static void g729_side(int encode) {
    int16_t pcm[80];
    uint8_t octets[10];
    if (encode) {
        bcg729EncoderChannelContextStruct *state = initBcg729EncoderChannel(0);
        uint8_t len = 10;
        while (take(pcm, 2, 80) == 80) bcg729Encoder(state, pcm, octets, &len), put(octets, 1, 10);
    } else {
        bcg729DecoderChannelContextStruct *state = initBcg729DecoderChannel();
        while (take(octets, 1, 10) == 10) bcg729Decoder(state, octets, 10, 0, 0, 0, pcm), put(pcm, 2, 80);
    }
}

/* rate ms bitrate complexity fec loss dtx */
static void opus_enc(char **argv) {
    int error, rate = atoi(argv[0]), samples = rate / 1000 * atoi(argv[1]);
    OpusEncoder *state = opus_encoder_create(rate, 1, OPUS_APPLICATION_VOIP, &error);
    if (error) die(opus_strerror(error));
    opus_encoder_ctl(state, OPUS_SET_BITRATE(atoi(argv[2])));
    opus_encoder_ctl(state, OPUS_SET_COMPLEXITY(atoi(argv[3])));
    opus_encoder_ctl(state, OPUS_SET_INBAND_FEC(atoi(argv[4])));
    opus_encoder_ctl(state, OPUS_SET_PACKET_LOSS_PERC(atoi(argv[5])));
    opus_encoder_ctl(state, OPUS_SET_DTX(atoi(argv[6])));
    int16_t pcm[2880];
    uint8_t packet[1500];
    while (take(pcm, 2, samples) == (size_t)samples) {
        int len = opus_encode(state, pcm, samples, packet, sizeof packet);
        if (len < 0) die(opus_strerror(len));
        put_packet(packet, len);
    }
}

/* rate ms fec; a lost packet is made up with the help of the next one if fec is set */
static void opus_dec(char **argv) {
    int error, rate = atoi(argv[0]), samples = rate / 1000 * atoi(argv[1]), fec = atoi(argv[2]), lost = 0, len;
    OpusDecoder *state = opus_decoder_create(rate, 1, &error);
    if (error) die(opus_strerror(error));
    int16_t pcm[5760];
    uint8_t packet[65536];
    while ((len = take_packet(packet)) >= 0) {
        if (lost) {
            int made = fec && len ? opus_decode(state, packet, len, pcm, samples, 1)
                                  : opus_decode(state, NULL, 0, pcm, samples, 0);
            if (made != samples) die("a loss was not made up");
            put(pcm, 2, samples);
        }
        lost = len == 0;
        if (lost) continue;
        int made = opus_decode(state, packet, len, pcm, 5760, 0);
        if (made < 0) die(opus_strerror(made));
        put(pcm, 2, made);
    }
}

/* Does libopus take each packet? One octet for each: the samples it holds at 48 kHz in units of 2.5 ms, 0 if it refuses. */
static void opus_judge(void) {
    int error, len;
    uint8_t packet[65536];
    int16_t pcm[5760];
    OpusDecoder *state = opus_decoder_create(48000, 1, &error);
    while ((len = take_packet(packet)) >= 0) {
        int made = len ? opus_decode(state, packet, len, pcm, 5760, 0) : 0;
        uint8_t verdict = made < 0 ? 0 : made / 120;
        put(&verdict, 1, 1);
    }
}

/* protect|unprotect rtp|rtcp suite key-in-hex */
static void secure(char **argv) {
    int seal = !strcmp(argv[0], "protect"), rtcp = !strcmp(argv[1], "rtcp"), len;
    uint8_t key[64], packet[65536];
    for (size_t i = 0; argv[3][i * 2] && i < sizeof key; i++) sscanf(argv[3] + i * 2, "%2hhx", &key[i]);
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    void (*set)(srtp_crypto_policy_t *) = NULL, (*set_rtcp)(srtp_crypto_policy_t *) = NULL;
    if (!strcmp(argv[2], "AES_CM_128_HMAC_SHA1_80")) set = set_rtcp = srtp_crypto_policy_set_rtp_default;
    if (!strcmp(argv[2], "AES_CM_128_HMAC_SHA1_32")) {
        set = srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32;
        set_rtcp = srtp_crypto_policy_set_rtp_default;
    }
    if (!strcmp(argv[2], "AEAD_AES_128_GCM")) set = set_rtcp = srtp_crypto_policy_set_aes_gcm_128_16_auth;
    if (!strcmp(argv[2], "AEAD_AES_256_GCM")) set = set_rtcp = srtp_crypto_policy_set_aes_gcm_256_16_auth;
    if (!set) die("unknown suite");
    set(&policy.rtp);
    set_rtcp(&policy.rtcp);
    policy.ssrc.type = seal ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key;
    policy.window_size = 128;
    srtp_t session;
    if (srtp_init() || srtp_create(&session, &policy)) die("no SRTP session");
    while ((len = take_packet(packet)) >= 0) {
        srtp_err_status_t status = seal ? (rtcp ? srtp_protect_rtcp(session, packet, &len) : srtp_protect(session, packet, &len))
                                        : (rtcp ? srtp_unprotect_rtcp(session, packet, &len) : srtp_unprotect(session, packet, &len));
        put_packet(packet, status ? 0 : len);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) die("what?");
    const char *what = argv[1];
    if (!strcmp(what, "versions")) return printf("%s\n%s\n", opus_get_version_string(), srtp_get_version_string()) < 0;
    if (!strcmp(what, "gsm-encode")) gsm_side(1);
    else if (!strcmp(what, "gsm-decode")) gsm_side(0);
    else if (!strcmp(what, "g722-encode")) g722_side(1);
    else if (!strcmp(what, "g722-decode")) g722_side(0);
    else if (!strcmp(what, "alaw-encode")) g711_side(1, 1);
    else if (!strcmp(what, "alaw-decode")) g711_side(0, 1);
    else if (!strcmp(what, "ulaw-encode")) g711_side(1, 0);
    else if (!strcmp(what, "ulaw-decode")) g711_side(0, 0);
    else if (!strcmp(what, "g729-encode")) g729_side(1);
    else if (!strcmp(what, "g729-decode")) g729_side(0);
    else if (!strcmp(what, "opus-encode") && argc == 9) opus_enc(argv + 2);
    else if (!strcmp(what, "opus-decode") && argc == 5) opus_dec(argv + 2);
    else if (!strcmp(what, "opus-judge")) opus_judge();
    else if (!strcmp(what, "srtp") && argc == 6) secure(argv + 2);
    else die("unknown");
    return 0;
}
