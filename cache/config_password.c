/* The password, and the one before it.
 *
 * A password that is mounted as a file reaches the nodes of a roster one after the other, within a minute or two, and their
 * clients when they please. So one that was replaced by a reload goes on working beside the new one for
 * password-overlap seconds. Meanwhile this node shows the old one to its master too, which may not know the new one yet, and the other
 * of the two whenever one is refused: a master that has started since knows the new one alone. CONFIG SET means it: the password before
 * it is worth nothing at once.
 */
#include "config.h"

#include "clock.h"
#include "config_row.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static bool digest_is(const char *text, size_t size, const unsigned char *digest)
{
    unsigned char own[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, size, own);
    return CRYPTO_memcmp(own, digest, sizeof own) == 0;
}

/* Milliseconds for which the old password is good; 0: there is none. */
static int64_t overlap_left(const struct config *cfg)
{
    int64_t left = cfg->old_password != NULL ? cfg->old_password_until - clock_now() : 0;
    return left > 0 ? left : 0;
}

bool config_password_matches(const struct config *cfg, const char *text, size_t size)
{
    bool fits = digest_is(text, size, cfg->requirepass_sha256);
    bool fits_old = digest_is(text, size, cfg->old_password_sha256) && overlap_left(cfg) > 0;
    return (fits || fits_old) && cfg->requirepass[0] != '\0';
}

const char *config_roster_password(const struct config *cfg)
{
    if (cfg->masterauth[0] != '\0') {
        return cfg->masterauth;
    }
    return cfg->shows_old_password && overlap_left(cfg) > 0 ? cfg->old_password : cfg->requirepass;
}

void config_password_refused(struct config *cfg)
{
    cfg->shows_old_password = !cfg->shows_old_password;
}

void config_password_forget(struct config *cfg)
{
    if (cfg->old_password != NULL) {
        explicit_bzero(cfg->old_password, strlen(cfg->old_password));
        free(cfg->old_password);
        cfg->old_password = NULL;
    }
    memset(cfg->old_password_sha256, 0, sizeof cfg->old_password_sha256);
}

void config_password_replaced(struct config *cfg, const char *old)
{
    config_password_forget(cfg);
    if (old[0] == '\0' || cfg->requirepass[0] == '\0' || cfg->password_overlap == 0) {
        return;
    }
    cfg->old_password = must(strdup(old));
    SHA256((const unsigned char *)old, strlen(old), cfg->old_password_sha256);
    cfg->shows_old_password = true;
    cfg->old_password_until = clock_now() + cfg->password_overlap * INT64_C(1000);
}
