// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"

static void assert_has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("\"%s\" is not in\n%s", line, text);
}

static void test_reference(void **state)
{
    static const char *const lines[] = {
        "# Configuration reference\n",
        "\n## Sample\n\n| option | type | default | range | applies | what it does |\n| --- |",
        "| `enabled` | true or false | `true` |  | live | Whether it works. |\n",
        "| `quiet` | true or false | `false` |  | restart | Whether it speaks. |\n",
        "| `count` | whole number | `4` | 1 to 65535 | live | How many. |\n",
        "| `offset` | whole number | `0` | -100 to 100 | live | How far. |\n",
        "| `ratio` | number | `0.1` | 0 to 100 | live | How often. |\n",
        "| `wait` | duration | `30s` | 1ms to 1h | live | How long. |\n",
        "| `body_size_max` | size | `64MiB` | 1KiB to 1GiB | restart | How large. |\n",
        "| `cpus` | text | `auto` |  | restart | Which ones. |\n",
        "| `listen` | text | none |  | restart | Where. |\n",
        "| `mode` | one of | `forward` | `forward`, `accept`, `refuse` | live | What to do. |\n",
        "| `journal` | [Journal](#journal) | its own |  |  | The journal. |\n",
        "| `origins` | list of texts | empty | at most 3 items | restart | From where. |\n",
        "| `policies` | list of [Policy](#policy) | empty | at most 100 items | live | The policies. |\n",
        "\n## Journal\n\n`journal`\n\n|",
        "| `size` | size | `auto` | 64KiB to 1GiB, or `auto` | restart | Of the ring. |\n",
        "\n## Policy\n\n`policies[]`, `policies[].sub[]`\n\n|",
        "| `name` | text | required |  | live | Of the policy. |\n",
        "| `latency` | [Latency](#latency) | none |  | live | How slow. |\n",
        "\n## Latency\n\n`policies[].latency`\n\n|",
        "| `upper_threshold_ms` | whole number | none | 1 to 100000 | live | At most. |\n",
        "| `token` | text, secret | none |  | live | What it wants. |\n",
        "| `headers` | texts by name, secret | empty | at most 8 items | live | Of each request. |\n",
        "| `signals` | list of texts | `[traces]` | at most 3 items | live | What it takes. |\n",
        "| `keys` | list of texts | empty | 1 or more items | live | Exact keys \\| names. |\n",
    };
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    tr_options_document(&sample_table, out);
    fclose(out);
    for (size_t i = 0; i < TR_NELEMS(lines); i++)
        assert_has(text, lines[i]);
    assert_null(strstr(strstr(text, "## Policy") + 1, "## Policy")); // once, though it is reached twice
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
