// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over the files of its corpus, where there is no libFuzzer: fuzz-NAME FILE-OR-FOLDER...
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

// The input lies in memory of its own size, so that ASan sees a read beyond it.
static void file_run(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data;

    if (!file || fstat(fileno(file), &st) != 0) {
        perror(path);
        exit(1);
    }
    data = malloc((size_t)st.st_size);
    if (fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); // of these lines, the last one names the input that crashed
    LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    free(data);
}

static size_t path_run(const char *path)
{
    struct dirent **entries;
    size_t inputs = 0;
    struct stat st;
    int n;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        file_run(path);
        return 1;
    }
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        char child[4096];

        snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            file_run(child);
            inputs++;
        }
        free(entries[i]);
    }
    free(entries);
    return inputs;
}

int main(int argc, char **argv)
{
    size_t inputs = 0;

    for (int i = 1; i < argc; i++)
        inputs += path_run(argv[i]);
    printf("%zu inputs\n", inputs);
    return inputs == 0; // an empty corpus proves nothing
}
