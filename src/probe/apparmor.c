/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/apparmor.h"

#include <string.h>

#include "probe/apparmor-glob.h"

#define ENABLED "sys/module/apparmor/parameters/enabled"
#define ENFORCING "sys/fs/selinux/enforce"
#define PROFILES "etc/apparmor.d/"
#define TEMPLATE PROFILES "libvirt/TEMPLATE.qemu"
#define QEMU_CONF "etc/libvirt/qemu.conf"

#define IOMMU_NODE "/dev/iommu"
#define VFIO_NODES "/dev/vfio/devices/"

#define FILES_MAX 256
#define LEVELS_MAX 16
#define TARGETS_MAX 256

/* A file that QEMU opens, and what the rules so far do about it. */
typedef struct {
  char *path;
  gboolean can_read;
  gboolean can_write;
  gboolean is_denied;
} Target;

typedef struct {
  const VsmmuTree *tree; /* (nullable): when nothing is included */
  GArray *targets;
  GHashTable *seen;    /* paths of files */
  gboolean is_lenient; /* what the profile does not allow is only logged */
  gboolean is_open;    /* everything is allowed */
} Profile;

static void
target_clear (gpointer data)
{
  g_free (((Target *) data)->path);
}

static void
add_target (Profile *profile, const char *directory, const char *name)
{
  Target target = { .path = g_strconcat (directory, name, NULL) };

  g_array_append_val (profile->targets, target);
}

static void
profile_init (Profile *profile, const VsmmuTree *tree)
{
  *profile = (Profile){ .tree = tree };
  profile->targets = g_array_new (FALSE, TRUE, sizeof (Target));
  g_array_set_clear_func (profile->targets, target_clear);
  profile->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
profile_clear (Profile *profile)
{
  g_array_unref (profile->targets);
  g_hash_table_unref (profile->seen);
}

/* What a rule for files says: [audit] [deny] [owner] [file] PATH PERMISSIONS, or the two in the other order. */
typedef struct {
  const char *path; /* (nullable): for all files */
  const char *permissions;
  gboolean is_denied;
  gboolean is_owner;
} Rule;

/* @word without quotes around it; it is changed. */
static const char *
unquote (char *word)
{
  gsize length = strlen (word);

  if (length < 2 || word[0] != '"' || word[length - 1] != '"')
    return word;
  word[length - 1] = '\0';
  return word + 1;
}

/* @words are changed; %FALSE for what is not a rule for files. */
static gboolean
parse_rule (char **words, Rule *rule)
{
  gboolean is_file = FALSE;
  const char *first;
  const char *second;

  *rule = (Rule){ 0 };
  for (; *words != NULL; words++) {
    if (strcmp (*words, "deny") == 0)
      rule->is_denied = TRUE;
    else if (strcmp (*words, "owner") == 0)
      rule->is_owner = TRUE;
    else if (strcmp (*words, "file") == 0 || strcmp (*words, "all") == 0)
      is_file = TRUE;
    else if (strcmp (*words, "audit") != 0 && strcmp (*words, "allow") != 0 && strcmp (*words, "quiet") != 0 &&
             !g_str_has_prefix (*words, "priority="))
      break;
  }
  if (words[0] == NULL) {
    rule->permissions = "rw";
    return is_file;
  }
  if (words[1] == NULL)
    return FALSE;
  first = unquote (words[0]);
  second = unquote (words[1]);
  rule->path = *first == '/' ? first : second;
  rule->permissions = *first == '/' ? second : first;
  return *rule->path == '/';
}

/* The words of a statement, without empty ones; a quoted word has no spaces, or is not of interest here. */
static GStrv
split (const char *statement)
{
  g_autofree char *copy = g_strstrip (g_strdup (statement));
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) all = g_strsplit_set (copy, " \t\n", -1);

  for (char **word = all; *word != NULL; word++)
    if (**word != '\0')
      g_strv_builder_add (builder, *word);
  return g_strv_builder_end (builder);
}

static gboolean
concerns (const Rule *rule, const Target *target)
{
  return rule->path == NULL || vsmmu_apparmor_glob_matches (rule->path, target->path);
}

/* The owner of these files is root, and QEMU runs as somebody else, so rules for the owner do not count. */
static void
take_rule (Profile *profile, const char *statement)
{
  g_auto (GStrv) words = split (statement);
  Rule rule;

  if (!parse_rule (words, &rule) || rule.is_owner)
    return;
  for (guint i = 0; i < profile->targets->len; i++) {
    Target *target = &g_array_index (profile->targets, Target, i);
    gboolean reads = strchr (rule.permissions, 'r') != NULL;
    gboolean writes = strchr (rule.permissions, 'w') != NULL;

    if (!concerns (&rule, target))
      continue;
    if (rule.is_denied) {
      target->is_denied |= reads || writes;
      continue;
    }
    target->can_read |= reads;
    target->can_write |= writes;
  }
}

static void read_included (Profile *profile, const char *path, guint level);

/* include [if exists] <PATH>, with or without a number sign */
static gboolean
take_include (Profile *profile, const char *statement, guint level)
{
  const char *start = *statement == '#' ? statement + 1 : statement;
  const char *open = strpbrk (start, "<\"");
  const char *close = open != NULL ? strpbrk (open + 1, ">\"") : NULL;
  g_autofree char *name = NULL;
  g_autofree char *path = NULL;

  if (!g_str_has_prefix (start, "include") || close == NULL)
    return FALSE;
  name = g_strndup (open + 1, (gsize) (close - open - 1));
  path = *name == '/' ? g_strdup (name + 1) : g_strconcat (PROFILES, name, NULL);
  if (profile->tree != NULL && level < LEVELS_MAX)
    read_included (profile, path, level + 1);
  return TRUE;
}

/* Where in a text the reader is: the profile is in the first block of the template, and all that is in no block. */
typedef struct {
  Profile *profile;
  GString *statement;
  guint depth;
  guint own_depth; /* of what counts */
  guint level;
} Reader;

static void
end_statement (Reader *reader)
{
  g_autofree char *statement = g_strdup (g_strstrip (reader->statement->str));

  g_string_truncate (reader->statement, 0);
  if (*statement == '\0' || reader->depth != reader->own_depth)
    return;
  if (!take_include (reader->profile, statement, reader->level))
    take_rule (reader->profile, statement);
}

/* profile NAME flags=(complain) { */
static void
begin_block (Reader *reader)
{
  if (reader->depth == 0 && reader->own_depth > 0)
    reader->profile->is_lenient |=
        strstr (reader->statement->str, "complain") != NULL || strstr (reader->statement->str, "unconfined") != NULL;
  g_string_truncate (reader->statement, 0);
  reader->depth++;
}

/* Whether the brace at @c is one of a block and not of a glob. */
static gboolean
is_block (const Reader *reader, const char *c)
{
  const GString *before = reader->statement;

  return (c[1] == '\0' || g_ascii_isspace (c[1])) &&
         (before->len == 0 || g_ascii_isspace (before->str[before->len - 1]));
}

static gboolean
ends_line (const Reader *reader)
{
  const char *statement = reader->statement->str;

  while (g_ascii_isspace (*statement))
    statement++;
  return g_str_has_prefix (statement, "include") || g_str_has_prefix (statement, "#include") ||
         (g_str_has_prefix (statement, "@{") && strchr (statement, '=') != NULL);
}

/* A number sign begins a comment, unless it is that of an include at the beginning of a line. */
static gboolean
is_comment (const Reader *reader, const char *c)
{
  const GString *before = reader->statement;
  gboolean is_first = TRUE;

  for (gsize i = 0; i < before->len; i++)
    is_first = is_first && g_ascii_isspace (before->str[i]);
  if (is_first)
    return !g_str_has_prefix (c, "#include");
  return g_ascii_isspace (before->str[before->len - 1]);
}

static void
read_text (Reader *reader, const char *text)
{
  guint n_open = 0; /* braces of a glob, and parentheses */

  for (const char *c = text; *c != '\0'; c++) {
    if (*c == '#' && is_comment (reader, c)) {
      c += strcspn (c, "\n");
      if (*c == '\0')
        break;
    }
    if (*c == '{' && is_block (reader, c)) {
      begin_block (reader);
    } else if (*c == '}' && n_open == 0) {
      end_statement (reader);
      reader->depth -= reader->depth > 0;
    } else if ((*c == ',' && n_open == 0) || (*c == '\n' && ends_line (reader))) {
      end_statement (reader);
      n_open = 0;
    } else {
      n_open += *c == '{' || *c == '(';
      n_open -= n_open > 0 && (*c == '}' || *c == ')');
      g_string_append_c (reader->statement, *c);
    }
  }
  end_statement (reader);
}

static gboolean
read_profile (Profile *profile, const char *path, guint own_depth, guint level)
{
  g_autoptr (GString) statement = g_string_new (NULL);
  Reader reader = { .profile = profile, .statement = statement, .own_depth = own_depth, .level = level };
  gsize length = 0;
  g_autofree char *text = NULL;

  if (g_hash_table_size (profile->seen) >= FILES_MAX || !g_hash_table_add (profile->seen, g_strdup (path)))
    return FALSE;
  text = vsmmu_tree_read_linked_file (profile->tree, path, &length);
  if (text == NULL)
    return FALSE;
  read_text (&reader, text);
  return TRUE;
}

/* Of a directory, all files are included. */
static void
read_included (Profile *profile, const char *path, guint level)
{
  const VsmmuTree *tree = profile->tree;
  int directory = vsmmu_tree_enter (tree, tree->source->root, path);
  g_autoptr (GPtrArray) names = NULL;

  if (directory < 0) {
    read_profile (profile, path, 0, level);
    return;
  }
  vsmmu_tree_close (tree, directory);
  names = vsmmu_tree_list (tree, tree->source->root, path);
  for (guint i = 0; names != NULL && i < names->len; i++) {
    g_autofree char *file = g_build_path ("/", path, g_ptr_array_index (names, i), NULL);

    if (!g_str_has_suffix (file, "~") && strstr (file, ".dpkg-") == NULL && strstr (file, ".rpm") == NULL)
      read_profile (profile, file, 0, level);
  }
}

static gboolean
is_allowed (const Profile *profile, const Target *target)
{
  return profile->is_lenient || (target->can_read && target->can_write && !target->is_denied);
}

/* The files that QEMU opens: those that are there, or any. */
static void
add_targets (Profile *profile, const VsmmuHost *host)
{
  add_target (profile, IOMMU_NODE, "");
  for (guint i = 0; i < host->devices->len && profile->targets->len < TARGETS_MAX; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);

    if (device->vfio != NULL)
      add_target (profile, VFIO_NODES, device->vfio);
  }
  if (profile->targets->len > 1)
    return;
  add_target (profile, VFIO_NODES, "vfio0");
  add_target (profile, VFIO_NODES, "vfio10");
}

/* Unknown when some devices are allowed and some are not. */
static VsmmuFact
find_vfio (const Profile *profile)
{
  guint n_allowed = 0;
  guint n = profile->targets->len - 1;

  for (guint i = 0; i < n; i++)
    n_allowed += is_allowed (profile, &g_array_index (profile->targets, Target, i + 1));
  return VSMMU_FACT (n_allowed == 0 || n_allowed == n ? VSMMU_FACT_SOURCE_APPARMOR : VSMMU_FACT_SOURCE_NONE,
                     n_allowed == n);
}

/* security_driver = "none", or [ "selinux", "apparmor" ]; without, libvirt takes what there is. */
static gboolean
is_switched_off (const VsmmuTree *tree)
{
  static const char key[] = "security_driver";
  gsize length = 0;
  g_autofree char *text = vsmmu_tree_read_linked_file (tree, QEMU_CONF, &length);
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;

  for (char **line = lines; line != NULL && *line != NULL; line++) {
    const char *word = g_strchug (*line);

    if (g_str_has_prefix (word, key) && strchr (word, '=') != NULL)
      return strstr (word, "apparmor") == NULL;
  }
  return FALSE;
}

/* Without the module, its directory is not there; a tree without /sys/module says nothing. */
static VsmmuFact
read_enabled (const VsmmuTree *tree)
{
  char text[8];

  if (vsmmu_tree_read_small (tree, tree->source->root, ENABLED, text, sizeof (text)) && text[0] != '\0')
    return VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, text[0] == 'Y');
  if (vsmmu_fact_is_true (vsmmu_tree_exists (tree, "sys/module", VSMMU_FACT_SOURCE_SYSFS)) &&
      vsmmu_fact_is_false (vsmmu_tree_exists (tree, "sys/module/apparmor", VSMMU_FACT_SOURCE_SYSFS)))
    return VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, FALSE);
  return VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
}

/* Without SELinux, its file system is not there, and neither is the directory for it. */
static VsmmuFact
read_enforcing (const VsmmuTree *tree)
{
  VsmmuFact enforcing = vsmmu_tree_read_number (tree, tree->source->root, ENFORCING);

  if (!vsmmu_fact_is_known (enforcing) &&
      vsmmu_fact_is_true (vsmmu_tree_exists (tree, "sys/module", VSMMU_FACT_SOURCE_SYSFS)) &&
      vsmmu_fact_is_false (vsmmu_tree_exists (tree, ENFORCING, VSMMU_FACT_SOURCE_SYSFS)))
    return VSMMU_FACT (VSMMU_FACT_SOURCE_SYSFS, FALSE);
  enforcing.value = enforcing.value != 0;
  return enforcing;
}

void
vsmmu_apparmor_probe (const VsmmuTree *tree)
{
  VsmmuHost *host = tree->host;
  Profile profile;

  host->selinux = read_enforcing (tree);
  host->apparmor = read_enabled (tree);
  if (!vsmmu_fact_is_true (host->apparmor))
    return;
  if (is_switched_off (tree)) {
    host->apparmor = VSMMU_FACT (VSMMU_FACT_SOURCE_APPARMOR, FALSE);
    return;
  }
  profile_init (&profile, tree);
  add_targets (&profile, host);
  if (read_profile (&profile, TEMPLATE, 1, 0)) {
    host->apparmor_iommu =
        VSMMU_FACT (VSMMU_FACT_SOURCE_APPARMOR, is_allowed (&profile, &g_array_index (profile.targets, Target, 0)));
    host->apparmor_vfio = find_vfio (&profile);
  }
  profile_clear (&profile);
}

gboolean
vsmmu_apparmor_text_allows (const char *text, const char *path)
{
  g_autoptr (GString) statement = g_string_new (NULL);
  Profile profile;
  Reader reader = { .profile = &profile, .statement = statement };
  gboolean allows;

  profile_init (&profile, NULL);
  add_target (&profile, path, "");
  read_text (&reader, text);
  allows = is_allowed (&profile, &g_array_index (profile.targets, Target, 0));
  profile_clear (&profile);
  return allows;
}

gboolean
vsmmu_apparmor_line_matters (const char *line)
{
  static const char *const examples[] = { IOMMU_NODE, VFIO_NODES "vfio0", VFIO_NODES "vfio10" };
  g_autofree char *copy = g_strstrip (g_strdup (line));
  g_auto (GStrv) words = NULL;
  Rule rule;

  if (g_str_has_prefix (copy, "include") || g_str_has_prefix (copy, "#include") || strcmp (copy, "}") == 0)
    return TRUE;
  if (*copy == '#' || *copy == '\0')
    return FALSE;
  if (g_str_has_suffix (copy, " {"))
    return TRUE;
  if (g_str_has_suffix (copy, ","))
    copy[strlen (copy) - 1] = '\0';
  words = split (copy);
  if (!parse_rule (words, &rule))
    return FALSE;
  if (strstr (copy, VFIO_NODES) != NULL || rule.path == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (examples); i++)
    if (vsmmu_apparmor_glob_matches (rule.path, examples[i]))
      return TRUE;
  return FALSE;
}
