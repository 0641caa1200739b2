// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tailctl.h"

static struct tr_terminal terminal;

void tr_terminal_look(void)
{
    const char *no_color = getenv("NO_COLOR"), *name = getenv("TERM"), *columns = getenv("COLUMNS");
    struct winsize size = {0};

    memset(&terminal, 0, sizeof(terminal));
    terminal.is_tty = isatty(STDOUT_FILENO);
    if (!terminal.is_tty)
        return;
    terminal.color = !(no_color && no_color[0]) && name && strcmp(name, "dumb") != 0;
    terminal.width = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        terminal.width = size.ws_col;
        terminal.height = size.ws_row;
    } else if (columns && atoi(columns) > 0) {
        terminal.width = (unsigned)atoi(columns);
    }
}

const struct tr_terminal *tr_terminal_get(void)
{
    return &terminal;
}

// Control characters: C0, DEL, and C1 as UTF-8 has them (0xc2 0x80 to 0xc2 0x9f).
static void clean(char *text)
{
    for (uint8_t *p = (uint8_t *)text; *p; p++) {
        if ((*p < 0x20 && *p != '\n') || *p == 0x7f)
            *p = '?';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
    }
}

void tr_text_print(FILE *out, const char *text)
{
    char *copy = strdup(text);

    tr_assert(copy);
    clean(copy);
    fputs(copy, out);
    free(copy);
}

void tr_ink_print(FILE *out, enum tr_ink ink, const char *text)
{
    static const char *const codes[] = {[TR_INK_PLAIN] = "",
                                        [TR_INK_HEAD] = "\033[1m",
                                        [TR_INK_GOOD] = "\033[32m",
                                        [TR_INK_BAD] = "\033[31m"};

    if (terminal.color && ink != TR_INK_PLAIN)
        fprintf(out, "%s%s\033[0m", codes[ink], text);
    else
        fputs(text, out);
}

// Characters, not bytes: what begins no character in UTF-8 takes no place.
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((uint8_t)*text & 0xc0) != 0x80;
    return width;
}

static void cut(char *text, size_t width)
{
    size_t seen = 0;

    if (width_of(text) <= width)
        return;
    for (; *text; text++) {
        if (((uint8_t)*text & 0xc0) == 0x80)
            continue;
        if (++seen > TR_MAX(width, 1u) - 1) {
            if (width)
                *text++ = '~';
            *text = '\0';
            return;
        }
    }
}

void tr_table_column(struct tr_table *table, const char *title, bool right)
{
    tr_assert(table->columns_count < TR_NELEMS(table->columns));
    table->columns[table->columns_count++] = (struct tr_table_column){title, right};
}

void tr_table_cell(struct tr_table *table, enum tr_ink ink, const char *format, ...)
{
    struct tr_table_cell *cell;
    va_list args;
    int n;

    if (table->cells_count == table->cells_room) {
        table->cells_room = table->cells_room ? table->cells_room * 2 : 64;
        table->cells = realloc(table->cells, table->cells_room * sizeof(*table->cells));
        tr_assert(table->cells);
    }
    cell = &table->cells[table->cells_count++];
    cell->ink = ink;
    va_start(args, format);
    n = vasprintf(&cell->text, format, args);
    va_end(args);
    tr_assert(n >= 0);
    clean(cell->text);
    for (char *p = cell->text; *p; p++) {
        if (*p == '\n')
            *p = ' ';
    }
}

static void cell_print(const char *text, enum tr_ink ink, size_t width, bool right, bool last, FILE *out)
{
    size_t pad = width - TR_MIN(width, width_of(text));

    if (right)
        fprintf(out, "%*s", (int)pad, "");
    tr_ink_print(out, ink, text);
    if (!last)
        fprintf(out, "%*s", (int)(right ? 2 : pad + 2), "");
}

static void widths_find(struct tr_table *table, size_t *widths)
{
    size_t used = 0, n = table->columns_count, room;

    for (size_t c = 0; c < n; c++)
        widths[c] = table->headless ? 0 : width_of(table->columns[c].title);
    for (size_t i = 0; i < table->cells_count; i++)
        widths[i % n] = TR_MAX(widths[i % n], width_of(table->cells[i].text));
    for (size_t c = 0; c + 1 < n; c++)
        used += widths[c] + 2;
    // A last column of less than 8 tells nothing: then the line may wrap.
    room = terminal.width > used + 8 ? terminal.width - used : 8;
    if (terminal.width && widths[n - 1] > room && !table->columns[n - 1].right) {
        widths[n - 1] = room;
        for (size_t i = n - 1; i < table->cells_count; i += n)
            cut(table->cells[i].text, room);
    }
}

void tr_table_print(struct tr_table *table, FILE *out)
{
    size_t widths[TR_NELEMS(table->columns)], n = table->columns_count;

    widths_find(table, widths);
    for (size_t c = 0; c < n && !table->headless; c++)
        cell_print(table->columns[c].title, TR_INK_HEAD, widths[c], table->columns[c].right, c + 1 == n, out);
    if (!table->headless)
        fputc('\n', out);
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t c = i % n;

        cell_print(table->cells[i].text, table->cells[i].ink, widths[c], table->columns[c].right, c + 1 == n,
                   out);
        if (c + 1 == n)
            fputc('\n', out);
        free(table->cells[i].text);
    }
    free(table->cells);
    memset(table, 0, sizeof(*table));
}
