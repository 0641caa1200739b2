// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tailctl.h"

#define TIMEOUT_S        120L
#define ANSWER_BYTES_MAX (64 * TR_MIB)

struct received {
    char *text;
    size_t bytes;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct received *received = context;
    size_t bytes = size * count;
    char *text;

    if (bytes > ANSWER_BYTES_MAX - received->bytes)
        return 0;
    text = realloc(received->text, received->bytes + bytes + 1);
    if (!text)
        return 0;
    memcpy(text + received->bytes, data, bytes);
    received->text = text;
    received->bytes += bytes;
    text[received->bytes] = '\0';
    return bytes;
}

// curl only says that it could not connect: ask again for the reason.
static int connect_errno(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, rc;

    if (strlen(path) >= sizeof(address.sun_path))
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
    close(fd);
    return rc;
}

static enum tr_exit unreachable(const struct tailctl *tailctl, CURLcode code)
{
    int reason = code == CURLE_COULDNT_CONNECT ? connect_errno(tailctl->socket) : 0;

    if (reason == ENOENT || reason == ECONNREFUSED)
        fprintf(stderr, "tailctl: no daemon answers at %s (is tailraced running? -s names another socket)\n",
                tailctl->socket);
    else if (reason == EACCES)
        fprintf(stderr, "tailctl: %s: permission denied: be root or in the group of the daemon\n",
                tailctl->socket);
    else
        fprintf(stderr, "tailctl: %s: %s\n", tailctl->socket,
                reason ? strerror(reason) : curl_easy_strerror(code));
    return TR_EXIT_NO_DAEMON;
}

static enum tr_exit judge(const struct tailctl *tailctl, long status, const json_t *answer)
{
    const char *error = tr_json_string_at(answer, "error");

    if (status >= 200 && status < 300 && answer)
        return TR_EXIT_OK;
    if (tailctl->json && answer) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
        fputc('\n', stdout);
    }
    fputs("tailctl: ", stderr);
    if (strncmp(error, "line ", 5) == 0 && tailctl->arguments_count) { // of the file that was sent
        tr_text_print(stderr, tailctl->arguments[0]);
        fputs(": ", stderr);
    }
    if (error[0])
        tr_text_print(stderr, error);
    else
        fprintf(stderr, "the daemon answered %ld without a reason", status);
    fputc('\n', stderr);
    return TR_EXIT_REFUSED;
}

enum tr_exit tailctl_request(const struct tailctl *tailctl, const char *method, const char *path,
                             const json_t *body, json_t **answer)
{
    char *sent = body ? json_dumps(body, JSON_COMPACT) : NULL, *url = NULL;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct received received = {NULL, 0};
    CURL *curl = curl_easy_init();
    long status = 0;
    CURLcode code;

    *answer = NULL;
    tr_assert(curl && headers && asprintf(&url, "http://localhost%s", path) > 0);
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, tailctl->socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, sent ? sent : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(url);
    free(sent);
    if (code == CURLE_OK && received.text)
        *answer = json_loadb(received.text, received.bytes, 0, NULL);
    free(received.text);
    return code == CURLE_OK ? judge(tailctl, status, *answer) : unreachable(tailctl, code);
}

const char *tr_json_string_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? text : "";
}

double tr_json_number_at(const json_t *json, const char *key)
{
    return json_number_value(json_object_get(json, key));
}

bool tr_json_true_at(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

double tr_json_sum(const json_t *object)
{
    double sum = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) sum += json_number_value(value);
    return sum;
}
