/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/arguments.h"
#include "domain/options.h"

/* The longest name that QEMU accepts in DRIVER.PROPERTY=VALUE; a longer one makes it look for driver=. */
#define GLOBAL_NAME_MAX 63

/* qemu_options[] of qemu-system-aarch64 11.1.3, including what -help does not show. */
static const struct {
  const char *name;
  gboolean has_value;
  VsmmuOptionKind kind;
} known[] = {
  /* clang-format off */
  { "h", FALSE, VSMMU_OPTION_OTHER },
  { "help", FALSE, VSMMU_OPTION_OTHER },
  { "version", FALSE, VSMMU_OPTION_OTHER },
  { "machine", TRUE, VSMMU_OPTION_MACHINE },
  { "M", TRUE, VSMMU_OPTION_MACHINE },
  { "cpu", TRUE, VSMMU_OPTION_OTHER },
  { "accel", TRUE, VSMMU_OPTION_OTHER },
  { "smp", TRUE, VSMMU_OPTION_OTHER },
  { "numa", TRUE, VSMMU_OPTION_OTHER },
  { "add-fd", TRUE, VSMMU_OPTION_OTHER },
  { "set", TRUE, VSMMU_OPTION_SET },
  { "global", TRUE, VSMMU_OPTION_GLOBAL },
  { "boot", TRUE, VSMMU_OPTION_OTHER },
  { "m", TRUE, VSMMU_OPTION_OTHER },
  { "mem-path", TRUE, VSMMU_OPTION_OTHER },
  { "mem-prealloc", FALSE, VSMMU_OPTION_OTHER },
  { "k", TRUE, VSMMU_OPTION_OTHER },
  { "audio", TRUE, VSMMU_OPTION_OTHER },
  { "audiodev", TRUE, VSMMU_OPTION_OTHER },
  { "device", TRUE, VSMMU_OPTION_DEVICE },
  { "name", TRUE, VSMMU_OPTION_OTHER },
  { "uuid", TRUE, VSMMU_OPTION_OTHER },
  { "fda", TRUE, VSMMU_OPTION_OTHER },
  { "fdb", TRUE, VSMMU_OPTION_OTHER },
  { "hda", TRUE, VSMMU_OPTION_OTHER },
  { "hdb", TRUE, VSMMU_OPTION_OTHER },
  { "hdc", TRUE, VSMMU_OPTION_OTHER },
  { "hdd", TRUE, VSMMU_OPTION_OTHER },
  { "cdrom", TRUE, VSMMU_OPTION_OTHER },
  { "blockdev", TRUE, VSMMU_OPTION_OTHER },
  { "drive", TRUE, VSMMU_OPTION_OTHER },
  { "mtdblock", TRUE, VSMMU_OPTION_OTHER },
  { "sd", TRUE, VSMMU_OPTION_OTHER },
  { "snapshot", FALSE, VSMMU_OPTION_OTHER },
  { "fsdev", TRUE, VSMMU_OPTION_OTHER },
  { "virtfs", TRUE, VSMMU_OPTION_OTHER },
  { "iscsi", TRUE, VSMMU_OPTION_OTHER },
  { "usb", FALSE, VSMMU_OPTION_OTHER },
  { "usbdevice", TRUE, VSMMU_OPTION_OTHER },
  { "display", TRUE, VSMMU_OPTION_OTHER },
  { "nographic", FALSE, VSMMU_OPTION_OTHER },
  { "spice", TRUE, VSMMU_OPTION_OTHER },
  { "vga", TRUE, VSMMU_OPTION_OTHER },
  { "full-screen", FALSE, VSMMU_OPTION_OTHER },
  { "g", TRUE, VSMMU_OPTION_OTHER },
  { "vnc", TRUE, VSMMU_OPTION_OTHER },
  { "win2k-hack", FALSE, VSMMU_OPTION_OTHER },
  { "no-fd-bootchk", FALSE, VSMMU_OPTION_OTHER },
  { "acpitable", TRUE, VSMMU_OPTION_OTHER },
  { "smbios", TRUE, VSMMU_OPTION_OTHER },
  { "netdev", TRUE, VSMMU_OPTION_OTHER },
  { "nic", TRUE, VSMMU_OPTION_OTHER },
  { "net", TRUE, VSMMU_OPTION_OTHER },
  { "chardev", TRUE, VSMMU_OPTION_OTHER },
  { "tpmdev", TRUE, VSMMU_OPTION_OTHER },
  { "bios", TRUE, VSMMU_OPTION_OTHER },
  { "pflash", TRUE, VSMMU_OPTION_OTHER },
  { "kernel", TRUE, VSMMU_OPTION_OTHER },
  { "shim", TRUE, VSMMU_OPTION_OTHER },
  { "append", TRUE, VSMMU_OPTION_OTHER },
  { "initrd", TRUE, VSMMU_OPTION_OTHER },
  { "dtb", TRUE, VSMMU_OPTION_OTHER },
  { "compat", TRUE, VSMMU_OPTION_OTHER },
  { "fw_cfg", TRUE, VSMMU_OPTION_OTHER },
  { "serial", TRUE, VSMMU_OPTION_OTHER },
  { "parallel", TRUE, VSMMU_OPTION_OTHER },
  { "monitor", TRUE, VSMMU_OPTION_OTHER },
  { "qmp", TRUE, VSMMU_OPTION_OTHER },
  { "qmp-pretty", TRUE, VSMMU_OPTION_OTHER },
  { "mon", TRUE, VSMMU_OPTION_OTHER },
  { "debugcon", TRUE, VSMMU_OPTION_OTHER },
  { "pidfile", TRUE, VSMMU_OPTION_OTHER },
  { "preconfig", FALSE, VSMMU_OPTION_OTHER },
  { "S", FALSE, VSMMU_OPTION_OTHER },
  { "overcommit", TRUE, VSMMU_OPTION_OTHER },
  { "gdb", TRUE, VSMMU_OPTION_OTHER },
  { "s", FALSE, VSMMU_OPTION_OTHER },
  { "d", TRUE, VSMMU_OPTION_OTHER },
  { "D", TRUE, VSMMU_OPTION_OTHER },
  { "dfilter", TRUE, VSMMU_OPTION_OTHER },
  { "seed", TRUE, VSMMU_OPTION_OTHER },
  { "L", TRUE, VSMMU_OPTION_OTHER },
  { "enable-kvm", FALSE, VSMMU_OPTION_OTHER },
  { "xen-domid", TRUE, VSMMU_OPTION_OTHER },
  { "xen-attach", FALSE, VSMMU_OPTION_OTHER },
  { "xen-domid-restrict", FALSE, VSMMU_OPTION_OTHER },
  { "no-reboot", FALSE, VSMMU_OPTION_OTHER },
  { "no-shutdown", FALSE, VSMMU_OPTION_OTHER },
  { "action", TRUE, VSMMU_OPTION_OTHER },
  { "loadvm", TRUE, VSMMU_OPTION_OTHER },
  { "daemonize", FALSE, VSMMU_OPTION_OTHER },
  { "option-rom", TRUE, VSMMU_OPTION_OTHER },
  { "rtc", TRUE, VSMMU_OPTION_OTHER },
  { "icount", TRUE, VSMMU_OPTION_OTHER },
  { "watchdog-action", TRUE, VSMMU_OPTION_OTHER },
  { "echr", TRUE, VSMMU_OPTION_OTHER },
  { "incoming", TRUE, VSMMU_OPTION_OTHER },
  { "only-migratable", FALSE, VSMMU_OPTION_OTHER },
  { "nodefaults", FALSE, VSMMU_OPTION_OTHER },
  { "prom-env", TRUE, VSMMU_OPTION_OTHER },
  { "semihosting", FALSE, VSMMU_OPTION_OTHER },
  { "semihosting-config", TRUE, VSMMU_OPTION_OTHER },
  { "sandbox", TRUE, VSMMU_OPTION_OTHER },
  { "readconfig", TRUE, VSMMU_OPTION_CONFIG },
  { "no-user-config", FALSE, VSMMU_OPTION_OTHER },
  { "trace", TRUE, VSMMU_OPTION_OTHER },
  { "plugin", TRUE, VSMMU_OPTION_OTHER },
  { "qtest", TRUE, VSMMU_OPTION_OTHER },
  { "qtest-log", TRUE, VSMMU_OPTION_OTHER },
  { "run-with", TRUE, VSMMU_OPTION_OTHER },
  { "msg", TRUE, VSMMU_OPTION_OTHER },
  { "dump-vmstate", TRUE, VSMMU_OPTION_OTHER },
  { "enable-sync-profile", FALSE, VSMMU_OPTION_OTHER },
  { "perfmap", FALSE, VSMMU_OPTION_OTHER },
  { "jitdump", FALSE, VSMMU_OPTION_OTHER },
  { "object", TRUE, VSMMU_OPTION_OBJECT },
  /* clang-format on */
};

/* What the first value of an option is called when it has no name. */
static const char *const implied_names[VSMMU_OPTION_UNKNOWN + 1] = {
  [VSMMU_OPTION_DEVICE] = "driver",
  [VSMMU_OPTION_OBJECT] = "qom-type",
  [VSMMU_OPTION_MACHINE] = "type",
};

static void
option_free (gpointer data)
{
  VsmmuOption *option = data;

  g_clear_pointer (&option->values, g_hash_table_unref);
  g_clear_pointer (&option->members, g_hash_table_unref);
  g_free (option);
}

static GHashTable *
table_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* Up to a comma that is not doubled; (transfer full): doubled ones are one. */
static char *
take_value (const char **text)
{
  GString *value = g_string_new (NULL);

  for (; **text != '\0' && (**text != ',' || (*text)[1] == ','); *text += **text == ',' ? 2 : 1)
    g_string_append_c (value, **text);
  return g_string_free (value, FALSE);
}

/* QEMU's opts_do_parse(): the first may be without a name; others without a value are switches, "noNAME" for off. */
static GHashTable *
parse_values (const char *text, const char *implied)
{
  g_autoptr (GHashTable) values = table_new ();

  while (*text != '\0') {
    gsize length = strcspn (text, "=,");
    g_autofree char *name = g_strndup (text, length);

    if (text[length] == '=') {
      text += length + 1;
      g_hash_table_insert (values, g_steal_pointer (&name), take_value (&text));
    } else if (implied != NULL) {
      g_hash_table_insert (values, g_strdup (implied), take_value (&text));
    } else {
      gboolean is_off = g_str_has_prefix (name, "no");

      text += length;
      g_hash_table_insert (values, g_strdup (name + (is_off ? 2 : 0)), g_strdup (is_off ? "off" : "on"));
    }
    implied = NULL;
    text += *text == ',';
  }
  return g_steal_pointer (&values);
}

gboolean
vsmmu_arguments_split_global (const char *text, char **driver, char **property, char **value)
{
  gsize dot = strcspn (text, ".=");
  gsize equals = text[dot] == '.' ? strcspn (text + dot + 1, "=") : 0;
  g_autoptr (GHashTable) values = NULL;

  if (dot > 0 && dot <= GLOBAL_NAME_MAX && equals > 0 && equals <= GLOBAL_NAME_MAX && text[dot + 1 + equals] == '=') {
    *driver = g_strndup (text, dot);
    *property = g_strndup (text + dot + 1, equals);
    *value = g_strdup (text + dot + 1 + equals + 1);
    return TRUE;
  }
  values = parse_values (text, NULL);
  *driver = g_strdup (g_hash_table_lookup (values, "driver"));
  *property = g_strdup (g_hash_table_lookup (values, "property"));
  *value = g_strdup (g_hash_table_lookup (values, "value"));
  return *driver != NULL && *property != NULL && *value != NULL;
}

gboolean
vsmmu_arguments_split_set (const char *text, char *parts[4])
{
  static const char *const ends[] = { ".", ".", "=" };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    gsize length = strcspn (text, ends[i]);

    parts[i] = g_strndup (text, length);
    text += length;
    if (length == 0 || *text == '\0')
      return FALSE;
    text++;
  }
  parts[G_N_ELEMENTS (ends)] = g_strdup (text);
  return TRUE;
}

/*
 * JSON
 */

static void
skip_space (const char **text)
{
  *text += strspn (*text, " \t\r\n");
}

static gboolean
take_hexadecimal (const char **text, gunichar *unit)
{
  *unit = 0;
  for (guint i = 0; i < 4; i++, (*text)++) {
    if (!g_ascii_isxdigit (**text))
      return FALSE;
    *unit = *unit << 4 | (gunichar) g_ascii_xdigit_value (**text);
  }
  return TRUE;
}

/* What comes after "\u", with the other half of a pair. */
static gboolean
take_unicode (const char **text, GString *string)
{
  gunichar unit;
  gunichar low;

  if (!take_hexadecimal (text, &unit))
    return FALSE;
  if (unit >= 0xd800 && unit < 0xdc00) {
    if (!g_str_has_prefix (*text, "\\u"))
      return FALSE;
    *text += 2;
    if (!take_hexadecimal (text, &low) || low < 0xdc00 || low > 0xdfff)
      return FALSE;
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  }
  if (unit == 0 || !g_unichar_validate (unit))
    return FALSE;
  g_string_append_unichar (string, unit);
  return TRUE;
}

static gboolean
take_escape (const char **text, GString *string)
{
  static const char from[] = "\"'\\/bfnrt";
  static const char to[] = "\"'\\/\b\f\n\r\t";
  const char *known_escape = **text != '\0' ? strchr (from, **text) : NULL;
  gboolean is_unicode = **text == 'u';

  if (known_escape == NULL && !is_unicode)
    return FALSE;
  (*text)++;
  if (is_unicode)
    return take_unicode (text, string);
  g_string_append_c (string, to[known_escape - from]);
  return TRUE;
}

/* (transfer full) (nullable): a string in quotes of either kind */
static char *
take_string (const char **text)
{
  g_autoptr (GString) string = g_string_new (NULL);
  char quote = **text;

  if (quote != '"' && quote != '\'')
    return NULL;
  for ((*text)++; **text != quote;) {
    char c = **text;

    if ((guchar) c < ' ')
      return NULL;
    (*text)++;
    if (c != '\\')
      g_string_append_c (string, c);
    else if (!take_escape (text, string))
      return NULL;
  }
  (*text)++;
  return g_string_free (g_steal_pointer (&string), FALSE);
}

/* A nested list or object, where only the end matters. */
static gboolean
skip_nested (const char **text)
{
  guint depth = 0;

  do {
    if (**text == '"' || **text == '\'') {
      g_autofree char *string = take_string (text);

      if (string == NULL)
        return FALSE;
      continue;
    }
    if (**text == '\0')
      return FALSE;
    depth += **text == '{' || **text == '[';
    depth -= **text == '}' || **text == ']';
    (*text)++;
  } while (depth > 0);
  return TRUE;
}

/* (transfer full) (nullable) */
static char *
take_json_value (const char **text)
{
  const char *start = *text;

  if (*start == '"' || *start == '\'')
    return take_string (text);
  if (*start == '{' || *start == '[') {
    if (!skip_nested (text))
      return NULL;
  } else {
    while (g_ascii_isalnum (**text) || (**text != '\0' && strchr ("+-.", **text) != NULL))
      (*text)++;
  }
  return *text > start ? g_strndup (start, (gsize) (*text - start)) : NULL;
}

/* One "NAME": VALUE. */
static gboolean
take_member (const char **text, GHashTable *members)
{
  g_autofree char *name = NULL;
  char *value;

  skip_space (text);
  name = take_string (text);
  skip_space (text);
  if (name == NULL || **text != ':' || g_hash_table_contains (members, name))
    return FALSE;
  (*text)++;
  skip_space (text);
  value = take_json_value (text);
  skip_space (text);
  if (value == NULL)
    return FALSE;
  g_hash_table_insert (members, g_steal_pointer (&name), value);
  return TRUE;
}

GHashTable *
vsmmu_arguments_parse_json (const char *text)
{
  g_autoptr (GHashTable) members = table_new ();

  if (*text != '{')
    return NULL;
  text++;
  skip_space (&text);
  if (*text != '}') {
    do {
      if (!take_member (&text, members))
        return NULL;
    } while (*text++ == ',');
    text--;
  }
  if (*text != '}')
    return NULL;
  text++;
  skip_space (&text);
  return *text == '\0' ? g_steal_pointer (&members) : NULL;
}

/*
 * Options
 */

static gboolean
takes_json (VsmmuOptionKind kind)
{
  return kind == VSMMU_OPTION_DEVICE || kind == VSMMU_OPTION_OBJECT;
}

/* Lifting looks for DRIVER.PROPERTY in the values. */
static GHashTable *
parse_global (const char *text)
{
  g_autofree char *driver = NULL;
  g_autofree char *property = NULL;
  g_autofree char *value = NULL;
  GHashTable *values;

  if (!g_str_has_prefix (text, "driver=") && vsmmu_arguments_split_global (text, &driver, &property, &value)) {
    values = table_new ();
    g_hash_table_insert (values, g_strconcat (driver, ".", property, NULL), g_steal_pointer (&value));
    return values;
  }
  return parse_values (text, NULL);
}

static void
read_value (VsmmuOption *option)
{
  const char *text = option->value->value;

  option->is_json = takes_json (option->kind) && *text == '{';
  if (option->is_json)
    option->members = vsmmu_arguments_parse_json (text);
  else if (option->kind == VSMMU_OPTION_GLOBAL)
    option->values = parse_global (text);
  else if (implied_names[option->kind] != NULL)
    option->values = parse_values (text, implied_names[option->kind]);
}

/* (transfer full): the option called @name, whose value is the next argument if it has one */
static VsmmuOption *
option_new (const VsmmuPassthrough *name, const VsmmuPassthrough *next)
{
  VsmmuOption *option = g_new0 (VsmmuOption, 1);

  option->name = name;
  option->canonical = name->value + (name->value[1] == '-' ? 2 : 1);
  option->kind = VSMMU_OPTION_UNKNOWN;
  for (guint i = 0; i < G_N_ELEMENTS (known) && option->kind == VSMMU_OPTION_UNKNOWN; i++) {
    if (strcmp (known[i].name, option->canonical) != 0)
      continue;
    option->kind = known[i].kind;
    option->value = known[i].has_value ? next : NULL;
  }
  if (option->value != NULL)
    read_value (option);
  return option;
}

GPtrArray *
vsmmu_arguments_parse (const GArray *arguments)
{
  GPtrArray *options = g_ptr_array_new_with_free_func (option_free);
  gboolean is_guess = FALSE;

  for (guint i = 0; i < arguments->len; i++) {
    const VsmmuPassthrough *name = &g_array_index (arguments, VsmmuPassthrough, i);
    VsmmuOption *option;

    /* Another argument is the image of a disk. */
    if (name->value[0] != '-')
      continue;
    option = option_new (name, i + 1 < arguments->len ? &g_array_index (arguments, VsmmuPassthrough, i + 1) : NULL);
    option->is_guess = is_guess;
    is_guess = is_guess || option->kind == VSMMU_OPTION_UNKNOWN;
    i += option->value != NULL && !is_guess;
    g_ptr_array_add (options, option);
  }
  return options;
}

static const char *
full_name (const VsmmuOption *option, const char *name)
{
  return *name == '\0' && implied_names[option->kind] != NULL ? implied_names[option->kind] : name;
}

const char *
vsmmu_option_get (const VsmmuOption *option, const char *name)
{
  return option->values != NULL ? g_hash_table_lookup (option->values, full_name (option, name)) : NULL;
}

gboolean
vsmmu_option_has_only (const VsmmuOption *option, const char *const *names)
{
  if (option->values == NULL || g_hash_table_size (option->values) != g_strv_length ((GStrv) names))
    return FALSE;
  for (; *names != NULL; names++)
    if (!g_hash_table_contains (option->values, full_name (option, *names)))
      return FALSE;
  return TRUE;
}
