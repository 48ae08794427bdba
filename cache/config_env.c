/* Settings from the environment, where containers get them.
 *
 * ORDINAL_MAXMEMORY_POLICY is maxmemory-policy. With _FILE after it, the value is the content of a file:
 * Kubernetes mounts secrets that way, and a password then appears neither in the pod's description nor in
 * /proc. Charts made for Redis images set REDIS_PASSWORD and REDIS_PASSWORD_FILE.
 *
 * Kubernetes also puts an address of every Service into each container's environment: beside a Service called
 * `ordinal` stands ORDINAL_PORT=tcp://10.96.0.7:6379. Those are not meant for us and must not stop the start.
 */
#include "config_row.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "ORDINAL_";

/* The row for the part of the name after ORDINAL_. */
static const struct config_row *row_of(const char *name, size_t size)
{
    char setting[64];
    if (size >= sizeof setting) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        setting[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    }
    return config_row_find(setting, size);
}

static bool assign(struct config *cfg, const struct config_row *row, const char *variable, const char *value,
                   char *err, size_t err_size)
{
    char reason[CONFIG_ERR_SIZE];
    if (!row_assign_text(cfg, row, value, reason, sizeof reason)) {
        snprintf(err, err_size, "Environment variable %s: %s", variable, reason);
        return false;
    }
    config_note(cfg, row, CONFIG_FROM_ENV);
    return true;
}

static bool assign_file(struct config *cfg, const struct config_row *row, const char *variable,
                        const char *path, char *err, size_t err_size)
{
    size_t size;
    char *absolute = config_absolute(cfg, path);
    char *text = config_read_file(absolute, &size);
    free(absolute);
    if (text == NULL) {
        snprintf(err, err_size, "Environment variable %s: can't read '%s': %s", variable, path,
                 strerror(errno));
        return false;
    }
    if (memchr(text, '\0', size) != NULL) {
        snprintf(err, err_size, "Environment variable %s: '%s' holds a zero byte", variable, path);
        free(text);
        return false;
    }
    if (size > 0 && text[size - 1] == '\n') {
        size -= size > 1 && text[size - 2] == '\r' ? 2 : 1;
        text[size] = '\0';
    }
    bool done = assign(cfg, row, variable, text, err, err_size);
    explicit_bzero(text, size);
    free(text);
    return done;
}

static bool ends_with(const char *name, size_t size, const char *end)
{
    size_t length = strlen(end);
    return size > length && memcmp(name + size - length, end, length) == 0;
}

/* X_SERVICE_HOST, X_SERVICE_PORT…, X_PORT, X_PORT_6379_TCP…: what Kubernetes writes for a Service called
 * X. */
static bool is_service_link(const char *name, size_t size, const char *value)
{
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)(size < sizeof text ? size : sizeof text - 1), name);
    return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
           strstr(text, "SERVICE_HOST") != NULL || strstr(text, "SERVICE_PORT") != NULL ||
           strstr(text, "_TCP") != NULL || strstr(text, "_UDP") != NULL;
}

const char *config_env_file(const char *variable)
{
    static const char password[] = "REDIS_PASSWORD_FILE=";
    if (strncmp(variable, password, sizeof password - 1) == 0) {
        return variable + sizeof password - 1;
    }
    const char *equals = strchr(variable, '=');
    if (equals == NULL || strncmp(variable, prefix, sizeof prefix - 1) != 0) {
        return NULL;
    }
    const char *name = variable + sizeof prefix - 1;
    size_t size = equals > name ? (size_t)(equals - name) : 0;
    bool file = !is_service_link(name, size, equals + 1) && row_of(name, size) == NULL &&
                ends_with(name, size, "_FILE") && row_of(name, size - 5) != NULL;
    return file ? equals + 1 : NULL;
}

/* One ORDINAL_ variable; `name` is what follows the prefix. */
static bool load_variable(struct config *cfg, const char *variable, const char *name, const char *value,
                          char *err, size_t err_size)
{
    size_t size = strlen(name);
    if (is_service_link(name, size, value)) {
        return true;
    }
    const struct config_row *row = row_of(name, size);
    if (row != NULL) {
        return assign(cfg, row, variable, value, err, err_size);
    }
    if (ends_with(name, size, "_FILE") && (row = row_of(name, size - 5)) != NULL) {
        return assign_file(cfg, row, variable, value, err, err_size);
    }
    config_warn(cfg, must_format("Environment variable %s names no setting", variable));
    return true;
}

static const char *lookup(char **environment, const char *name)
{
    size_t size = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=') {
            return *environment + size + 1;
        }
    }
    return NULL;
}

/* An empty REDIS_PASSWORD is how charts say "no password": it leaves what the file has. */
static bool load_redis_password(struct config *cfg, char **environment, char *err, size_t err_size)
{
    const struct config_row *row = config_row_find("requirepass", strlen("requirepass"));
    const char *password = lookup(environment, "REDIS_PASSWORD");
    const char *file = lookup(environment, "REDIS_PASSWORD_FILE");
    if (password != NULL && password[0] != '\0' &&
        !assign(cfg, row, "REDIS_PASSWORD", password, err, err_size)) {
        return false;
    }
    return file == NULL || file[0] == '\0' ||
           assign_file(cfg, row, "REDIS_PASSWORD_FILE", file, err, err_size);
}

bool config_load_env(struct config *cfg, char **environment, char *err, size_t err_size)
{
    if (!load_redis_password(cfg, environment, err, err_size)) {
        return false;
    }
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals == NULL || strncmp(*environment, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        char *variable = must(strndup(*environment, (size_t)(equals - *environment)));
        bool done = load_variable(cfg, variable, variable + sizeof prefix - 1, equals + 1, err, err_size);
        free(variable);
        if (!done) {
            return false;
        }
    }
    return true;
}
