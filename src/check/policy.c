/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/policy.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "check/finding.h"

#define FILE_NAME "virt-vsmmu.conf"

/*
 * In the order of #VsmmuPolicyMode, #VsmmuPolicyIommufd and #VsmmuPolicyMismatch, and each from the most lenient word
 * to the strictest: the larger of two values is the stricter one.
 */
static const char *const modes[] = { "off", "warn", "enforce", NULL };
static const char *const iommufds[] = { "add", "refuse", NULL };
static const char *const mismatches[] = { "ignore", "report", "detach", NULL };
/* The severity of a rule: off, or one more than the #VsmmuSeverity. */
static const char *const grades[] = { "off", "note", "warning", "error", NULL };
#define GRADE_OFF 0
static const char *const answers[] = { "no", "yes", NULL };

/* Seconds. */
#define WAIT_DEFAULT 5
#define TIMEOUT_DEFAULT 10
#define SECONDS_MAX 60

struct _VsmmuPolicy {
  guint mode;
  guint iommufd;
  guint adopt;
  guint domains_decide;
  guint on_mismatch;
  guint wait;         /* seconds */
  guint timeout;      /* seconds */
  GHashTable *grades; /* #VsmmuRule to an index of grades */
};

/* Keys with words for values, or with a number of seconds. */
static const struct {
  const char *group;
  const char *key;
  const char *const *words; /* %NULL for seconds */
  gsize value;              /* offset of the guint in #VsmmuPolicy */
  guint min;                /* seconds */
} keys[] = {
  { "policy", "mode", modes, G_STRUCT_OFFSET (VsmmuPolicy, mode), 0 },
  { "policy", "domains-decide", answers, G_STRUCT_OFFSET (VsmmuPolicy, domains_decide), 0 },
  { "define", "adopt", answers, G_STRUCT_OFFSET (VsmmuPolicy, adopt), 0 },
  { "attach", "iommufd", iommufds, G_STRUCT_OFFSET (VsmmuPolicy, iommufd), 0 },
  { "hotplug", "on-mismatch", mismatches, G_STRUCT_OFFSET (VsmmuPolicy, on_mismatch), 0 },
  { "hotplug", "wait", NULL, G_STRUCT_OFFSET (VsmmuPolicy, wait), 0 },
  { "hook", "timeout", NULL, G_STRUCT_OFFSET (VsmmuPolicy, timeout), 1 },
};
#define RULES_GROUP "rules"
static const char *const group_names[] = { "policy", "define", "attach", "hotplug", "hook", RULES_GROUP, NULL };

/* One file, while it is read. */
typedef struct {
  VsmmuPolicy *policy;
  GKeyFile *file;
  const char *shown; /* its name, for messages */
} Reading;

static VsmmuPolicy *
policy_new (void)
{
  VsmmuPolicy *policy = g_new0 (VsmmuPolicy, 1);

  policy->mode = VSMMU_POLICY_ENFORCE;
  policy->on_mismatch = VSMMU_POLICY_MISMATCH_REPORT;
  policy->wait = WAIT_DEFAULT;
  policy->timeout = TIMEOUT_DEFAULT;
  policy->grades = g_hash_table_new (NULL, NULL);
  return policy;
}

void
vsmmu_policy_free (VsmmuPolicy *policy)
{
  if (policy == NULL)
    return;
  g_hash_table_unref (policy->grades);
  g_free (policy);
}

/* Sets *@index to the position of the value of @key in @words. */
static gboolean
read_word (const Reading *reading, const char *group, const char *key, const char *const *words, guint *index,
           GError **error)
{
  g_autofree char *value = g_strchomp (g_key_file_get_value (reading->file, group, key, NULL));
  g_autofree char *shown = vsmmu_text_shorten (value);
  g_autofree char *list = NULL;

  for (guint i = 0; words[i] != NULL; i++) {
    if (strcmp (words[i], value) == 0) {
      *index = i;
      return TRUE;
    }
  }
  list = g_strjoinv (", ", (char **) words);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY, _ ("%s: invalid value '%s' for '%s' in [%s]; use one of %s"),
               reading->shown, shown, key, group, list);
  return FALSE;
}

static gboolean
read_seconds (const Reading *reading, const char *group, const char *key, guint min, guint *seconds, GError **error)
{
  g_autofree char *value = g_strchomp (g_key_file_get_value (reading->file, group, key, NULL));
  g_autofree char *shown = vsmmu_text_shorten (value);
  guint64 number;

  if (g_ascii_string_to_unsigned (value, 10, min, SECONDS_MAX, &number, NULL)) {
    *seconds = (guint) number;
    return TRUE;
  }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY,
               _ ("%s: invalid value '%s' for '%s' in [%s]; use a number of seconds from %u to %u"), reading->shown,
               shown, key, group, min, SECONDS_MAX);
  return FALSE;
}

static gboolean
read_rule (const Reading *reading, const char *id, GError **error)
{
  const VsmmuRule *rule = vsmmu_rules_find (id);
  guint grade = 0;

  if (rule == NULL) {
    const char *meant = vsmmu_rules_suggest (id);

    if (meant != NULL)
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY, _ ("%s: unknown rule '%s'; did you mean '%s'?"),
                   reading->shown, id, meant);
    else
      g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY,
                   _ ("%s: unknown rule '%s'; 'virt-vsmmu explain' lists all rules"), reading->shown, id);
    return FALSE;
  }
  if (!read_word (reading, RULES_GROUP, id, grades, &grade, error))
    return FALSE;
  g_hash_table_insert (reading->policy->grades, (gpointer) rule, GUINT_TO_POINTER (grade));
  return TRUE;
}

static gboolean
read_key (const Reading *reading, const char *group, const char *key, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  if (strcmp (group, RULES_GROUP) == 0)
    return read_rule (reading, key, error);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (strcmp (keys[i].group, group) != 0)
      continue;
    if (strcmp (keys[i].key, key) == 0) {
      guint *value = &G_STRUCT_MEMBER (guint, reading->policy, keys[i].value);

      return keys[i].words != NULL ? read_word (reading, group, key, keys[i].words, value, error)
                                   : read_seconds (reading, group, key, keys[i].min, value, error);
    }
    g_string_append_printf (known, "%s'%s'", known->len > 0 ? ", " : "", keys[i].key);
  }
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY, _ ("%s: unknown key '%s' in [%s]; use one of %s"),
               reading->shown, key, group, known->str);
  return FALSE;
}

static gboolean
read_group (const Reading *reading, const char *group, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (reading->file, group, NULL, NULL);
  g_autofree char *list = g_strjoinv (", ", (char **) group_names);

  if (!g_strv_contains (group_names, group)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY, _ ("%s: unknown group [%s]; use one of %s"), reading->shown,
                 group, list);
    return FALSE;
  }
  for (guint i = 0; names[i] != NULL; i++)
    if (!read_key (reading, group, names[i], error))
      return FALSE;
  return TRUE;
}

/* (transfer full) (nullable): the file; %NULL without @error when it is not there */
static GKeyFile *
open_file (const char *path, const char *shown, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) fault = NULL;

  /* Without that flag, GLib silently drops "mode[de]=off". */
  if (g_key_file_load_from_file (file, path, G_KEY_FILE_KEEP_TRANSLATIONS, &fault))
    return g_steal_pointer (&file);
  if (!g_error_matches (fault, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY, _ ("cannot read '%s': %s; see virt-vsmmu.conf(5)"), shown,
                 fault->message);
  return NULL;
}

static gboolean
read_file (VsmmuPolicy *policy, const char *path, GError **error)
{
  g_autofree char *shown = g_filename_display_name (path);
  g_autoptr (GError) fault = NULL;
  g_autoptr (GKeyFile) file = open_file (path, shown, &fault);
  g_auto (GStrv) groups = file != NULL ? g_key_file_get_groups (file, NULL) : NULL;
  const Reading reading = { policy, file, shown };

  if (fault != NULL) {
    g_propagate_error (error, g_steal_pointer (&fault));
    return FALSE;
  }
  for (guint i = 0; file != NULL && groups[i] != NULL; i++)
    if (!read_group (&reading, groups[i], error))
      return FALSE;
  return TRUE;
}

/* (transfer full): the files to look for; later ones take precedence */
static GStrv
find_files (gboolean with_user)
{
  const char *given = g_getenv ("VIRT_VSMMU_CONF");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *of_host = g_build_filename (SYSTEM_CONFIG_DIR, FILE_NAME, NULL);
  g_autofree char *of_user = g_build_filename (g_get_user_config_dir (), FILE_NAME, NULL);

  g_strv_builder_add (builder, given != NULL ? given : of_host);
  if (with_user)
    g_strv_builder_add (builder, of_user);
  return g_strv_builder_end (builder);
}

VsmmuPolicy *
vsmmu_policy_load (gboolean with_user, GError **error)
{
  g_autoptr (VsmmuPolicy) policy = policy_new ();
  g_auto (GStrv) paths = find_files (with_user);

  for (guint i = 0; paths[i] != NULL; i++)
    if (!read_file (policy, paths[i], error))
      return NULL;
  return g_steal_pointer (&policy);
}

VsmmuPolicyMode
vsmmu_policy_load_mode (gboolean with_user)
{
  g_autoptr (VsmmuPolicy) policy = policy_new ();
  g_auto (GStrv) paths = find_files (with_user);
  gboolean is_readable = TRUE;

  for (guint i = 0; paths[i] != NULL && is_readable; i++) {
    g_autoptr (GError) fault = NULL;
    g_autoptr (GKeyFile) file = open_file (paths[i], paths[i], &fault);
    const Reading reading = { policy, file, paths[i] };

    is_readable = fault == NULL && (file == NULL || !g_key_file_has_key (file, "policy", "mode", NULL) ||
                                    read_key (&reading, "policy", "mode", NULL));
  }
  return is_readable ? vsmmu_policy_get_mode (policy) : VSMMU_POLICY_ENFORCE;
}

VsmmuPolicyMode
vsmmu_policy_get_mode (const VsmmuPolicy *policy)
{
  return (VsmmuPolicyMode) policy->mode;
}

const char *
vsmmu_policy_mode_to_string (VsmmuPolicyMode mode)
{
  return modes[mode];
}

VsmmuPolicyIommufd
vsmmu_policy_get_iommufd (const VsmmuPolicy *policy)
{
  return (VsmmuPolicyIommufd) policy->iommufd;
}

gboolean
vsmmu_policy_adopts (const VsmmuPolicy *policy)
{
  return policy->adopt != 0;
}

VsmmuPolicyMismatch
vsmmu_policy_get_on_mismatch (const VsmmuPolicy *policy)
{
  return (VsmmuPolicyMismatch) policy->on_mismatch;
}

guint
vsmmu_policy_get_wait (const VsmmuPolicy *policy)
{
  return policy->wait;
}

guint
vsmmu_policy_get_timeout (const VsmmuPolicy *policy)
{
  return policy->timeout;
}

const char *
vsmmu_policy_mismatch_to_string (VsmmuPolicyMismatch action)
{
  return mismatches[action];
}

/* (nullable): what an attribute of an element of ours says, which is in no namespace */
static const char *
get_word (const xmlNode *node, const char *name)
{
  const xmlAttr *attribute = xmlHasNsProp ((xmlNode *) node, (const xmlChar *) name, NULL);

  return attribute != NULL && attribute->children != NULL ? (const char *) attribute->children->content : NULL;
}

/* The strictest word of @node and its siblings; %FALSE when there is none. */
static gboolean
read_hotplugs (xmlNode *node, VsmmuPolicyMismatch *action)
{
  gboolean is_said = FALSE;

  for (node = vsmmu_xml_element (node); node != NULL; node = vsmmu_xml_element (node->next)) {
    const char *word = get_word (node, "on-mismatch");

    for (guint i = 0; mismatches[i] != NULL && vsmmu_xml_is_ns (node, "hotplug", VSMMU_POLICY_NAMESPACE); i++) {
      if (g_strcmp0 (word, mismatches[i]) != 0)
        continue;
      *action = is_said ? MAX (*action, (VsmmuPolicyMismatch) i) : (VsmmuPolicyMismatch) i;
      is_said = TRUE;
    }
  }
  return is_said;
}

gboolean
vsmmu_policy_mismatch_of (const xmlDoc *document, VsmmuPolicyMismatch *action)
{
  const xmlNode *root = xmlDocGetRootElement (document);
  gboolean is_said = FALSE;

  for (xmlNode *node = root != NULL ? vsmmu_xml_element (root->children) : NULL; node != NULL;
       node = vsmmu_xml_element (node->next)) {
    VsmmuPolicyMismatch said;

    if (!vsmmu_xml_is (node, "metadata") || !read_hotplugs (node->children, &said))
      continue;
    *action = is_said ? MAX (*action, said) : said;
    is_said = TRUE;
  }
  return is_said;
}

VsmmuPolicyMismatch
vsmmu_policy_choose_mismatch (const VsmmuPolicy *policy, const VsmmuPolicyMismatch *wanted, gboolean *is_overruled)
{
  VsmmuPolicyMismatch of_host = policy != NULL ? vsmmu_policy_get_on_mismatch (policy) : VSMMU_POLICY_MISMATCH_REPORT;
  gboolean is_free = policy != NULL && policy->domains_decide != 0;

  *is_overruled = wanted != NULL && *wanted < of_host && !is_free;
  return wanted == NULL || *is_overruled ? of_host : *wanted;
}

void
vsmmu_policy_apply (const VsmmuPolicy *policy, GPtrArray *findings)
{
  /* From the end, so that findings can be removed. */
  for (guint i = findings->len; i > 0; i--) {
    VsmmuFinding *finding = g_ptr_array_index (findings, i - 1);
    gpointer grade;

    if (!g_hash_table_lookup_extended (policy->grades, finding->rule, NULL, &grade))
      continue;
    if (GPOINTER_TO_UINT (grade) == GRADE_OFF)
      g_ptr_array_remove_index (findings, i - 1);
    else
      finding->severity = (VsmmuSeverity) (GPOINTER_TO_UINT (grade) - 1);
  }
}

gboolean
vsmmu_policy_refuses (const VsmmuPolicy *policy, const GPtrArray *findings)
{
  return vsmmu_policy_get_mode (policy) == VSMMU_POLICY_ENFORCE &&
         vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR) > 0;
}
