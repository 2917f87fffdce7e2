/* DTLS 1.3 peer on wolfSSL.  usage: wolfssl-dtls13 client|server PORT [13|12] [mlkem|x25519|p256]
 * One JSON line per handshake; the server echoes one message. Needs cert.pem/key.pem in the current folder. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int accept_all(int ok, WOLFSSL_X509_STORE_CTX *c) { (void)ok; (void)c; return 1; }

int main(int argc, char **argv) {
    int client = !strcmp(argv[1], "client"), v12 = argc > 3 && !strcmp(argv[3], "12"), r;
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(v12 ? (client ? wolfDTLSv1_2_client_method() : wolfDTLSv1_2_server_method())
                                           : (client ? wolfDTLSv1_3_client_method() : wolfDTLSv1_3_server_method()));
    if (wolfSSL_CTX_use_certificate_chain_file(ctx, "cert.pem") != 1 || wolfSSL_CTX_use_PrivateKey_file(ctx, "key.pem", WOLFSSL_FILETYPE_PEM) != 1) { fprintf(stderr, "cert\n"); return 1; }
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_all);
    if (wolfSSL_CTX_set_tlsext_use_srtp(ctx, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0) fprintf(stderr, "srtp profile list refused\n");
    WOLFSSL *ssl = wolfSSL_new(ctx);
    wolfSSL_KeepArrays(ssl); /* else no exporter */
    if (!client && !v12) { /* a hybrid ClientHello does not fit one datagram: accept it in fragments */
        wolfSSL_dtls13_allow_ch_frag(ssl, 1);
        if (argc > 5 && !strcmp(argv[5], "nocookie")) wolfSSL_disable_hrr_cookie(ssl);
    }
    if (argc > 4) {
        int g = !strcmp(argv[4], "mlkem") ? 0x11ec : !strcmp(argv[4], "p256") ? WOLFSSL_ECC_SECP256R1 : WOLFSSL_ECC_X25519;
        if (client && wolfSSL_UseKeyShare(ssl, g) != 1) fprintf(stderr, "keyshare 0x%x refused\n", g);
        if (wolfSSL_set_groups(ssl, &g, 1) != 1) fprintf(stderr, "set_groups 0x%x refused\n", g);
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
    struct timeval tv = {6, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (client) { from = a; }
    else {
        char b[2048]; socklen_t n = sizeof from;
        if (bind(fd, (void *)&a, sizeof a) || recvfrom(fd, b, sizeof b, MSG_PEEK, (void *)&from, &n) < 0) { perror("server"); return 1; }
    }
    connect(fd, (void *)&from, sizeof from);
    wolfSSL_dtls_set_peer(ssl, &from, sizeof from);
    wolfSSL_set_fd(ssl, fd);
    r = client ? wolfSSL_connect(ssl) : wolfSSL_accept(ssl);
    if (r != 1) { char e[80]; fprintf(stderr, "wolfssl: %s\n", wolfSSL_ERR_error_string(wolfSSL_get_error(ssl, r), e)); return 1; }
    unsigned char k[64]; size_t kl = 0; char buf[2048];
    const WOLFSSL_SRTP_PROTECTION_PROFILE *p = wolfSSL_get_selected_srtp_profile(ssl);
    kl = p && p->id == SRTP_AES128_CM_SHA1_80 ? 60 : 56; /* TLS 1.3 exporters depend on the length */
    int ok = wolfSSL_export_keying_material(ssl, k, kl, "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0);
    if (client) wolfSSL_write(ssl, "hello", 5);
    int n = -1; /* its receive times out by itself, to repeat a flight: ask again */
    for (int tries = 0; n < 0 && tries < 40; tries++) n = wolfSSL_read(ssl, buf, sizeof buf - 1);
    if (n < 0) n = 0;
    buf[n] = 0;
    if (!client) { wolfSSL_write(ssl, buf, n); usleep(200000); }
    printf("{\"impl\":\"wolfssl %s\",\"role\":\"%s\",\"version\":\"%s\",\"cipher\":\"%s\",\"group\":\"%s\",\"srtp\":\"%s\",\"exporter\":\"", wolfSSL_lib_version(), argv[1],
           wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl), wolfSSL_get_curve_name(ssl) ? wolfSSL_get_curve_name(ssl) : "-", p ? p->name : "-");
    for (int i = 0; ok == 1 && i < 8; i++) printf("%02x", k[i]);
    WOLFSSL_X509 *peer = wolfSSL_get_peer_certificate(ssl);
    printf("\",\"peer_cert\":%s,\"app\":\"%s\"}\n", peer ? "true" : "false", buf);
    wolfSSL_shutdown(ssl);
    return 0;
}
