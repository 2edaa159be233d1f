/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complete.h"

#include <glib/gi18n.h>
#include <signal.h>
#include <unistd.h>

#include "check/rule.h"
#include "command.h"
#include "facts.h"
#include "host/host.h"
#include "libvirt/events.h"
#include "msi/forecast.h"
#include "render/text.h"

/* Seconds that somebody who pressed Tab may wait for a host or a libvirt. */
#define PATIENCE 2

/* A command line whose last word is to be completed. */
typedef struct {
  const VsmmuCommand *command;
  const char *word;          /* as far as it is typed; of a value, without what is before it */
  char *before;              /* "--format=" of "--format=js" */
  const VsmmuOption *option; /* (nullable): whose value the word is */
  gboolean is_option;        /* the word is one */
  GPtrArray *operands;       /* (element-type utf8): before the word */
  const char *facts;         /* (nullable): what --host has */
  const char *uri;           /* (nullable): what --connect has */
  gboolean is_this_host;
} Request;

static void
request_clear (Request *request)
{
  g_free (request->before);
  g_clear_pointer (&request->operands, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Request, request_clear)

static void
offer (const Request *request, const char *candidate, const char *description)
{
  g_autofree char *printable = vsmmu_render_printable (candidate);
  g_autofree char *explained = vsmmu_render_printable (description);

  if (g_str_has_prefix (printable, request->word))
    g_print ("%s%s\t%s\n", request->before != NULL ? request->before : "", printable, explained);
}

static void
offer_files (const Request *request, const char *pattern)
{
  g_print (":files\t%s\t%s\n", pattern, request->before != NULL ? request->before : "");
}

static void
offer_facts (const Request *request)
{
  offer_files (request, "*.json");
}

static void
offer_xml (const Request *request)
{
  offer_files (request, "*.xml");
}

static void
offer_any_file (const Request *request)
{
  offer_files (request, "*");
}

static void
offer_rules (const Request *request)
{
  const VsmmuRule *rule;

  for (guint i = 0; (rule = vsmmu_rules_get (i)) != NULL; i++)
    offer (request, rule->id, _ (rule->title));
}

static void
offer_uris (const Request *request)
{
  offer (request, "qemu:///system", "");
  offer (request, "qemu:///session", "");
}

static void
offer_targets (const Request *request)
{
  offer (request, "this", "");
  offer (request, "libvirt=", "");
  offer (request, "qemu=", "");
}

/* (transfer full): as a shell has it; only one's own home, which is what people write */
static char *
expand_home (const char *path)
{
  return g_str_has_prefix (path, "~/") ? g_build_filename (g_get_home_dir (), path + 2, NULL) : g_strdup (path);
}

/* Of a host, without opening any of its devices. */
static void
offer_devices (const Request *request)
{
  g_autofree char *path = request->facts != NULL ? expand_home (request->facts) : NULL;
  g_autoptr (VsmmuHost) host = NULL;

  if (g_strcmp0 (path, "-") == 0 || (path == NULL && !request->is_this_host))
    return;
  host = vsmmu_facts_load (path, VSMMU_HOST_PROBE_NONE, NULL);
  for (guint i = 0; host != NULL && i < host->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (host->devices, i);
    g_autofree char *description = g_strdup_printf ("%04x:%04x %s %s", device->vendor, device->device,
                                                    device->driver != NULL ? device->driver : "-",
                                                    device->smmu != NULL ? device->smmu->name : "-");

    if (!vsmmu_host_device_is_bridge (device))
      offer (request, device->name, description);
  }
}

/* (nullable): only to this host: a connection that asks for a password would spoil the command line */
static VsmmuConnection *
connect_quietly (const Request *request)
{
  const char *transport = request->uri != NULL ? strchr (request->uri, '+') : NULL;
  const char *place = request->uri != NULL ? strstr (request->uri, "://") : NULL;

  if (transport != NULL && place != NULL && transport < place && !g_str_has_prefix (transport, "+unix:"))
    return NULL;
  return vsmmu_connection_open (request->uri, TRUE, NULL);
}

static void
offer_domains (const Request *request)
{
  g_autoptr (VsmmuConnection) connection = connect_quietly (request);
  g_autoptr (GPtrArray) found = connection != NULL ? vsmmu_connection_list_running (connection, NULL) : NULL;

  for (guint i = 0; found != NULL && i + 1 < found->len; i += 2)
    offer (request, g_ptr_array_index (found, i + 1), "");
}

/* Those of the devices behind a vSMMU of the domain before. */
static void
offer_aliases (const Request *request)
{
  g_autoptr (VsmmuConnection) connection = connect_quietly (request);
  const char *name = g_ptr_array_index (request->operands, 0);
  g_autofree char *xml =
      connection != NULL ? vsmmu_connection_get_domain_xml (connection, name, VSMMU_DOMAIN_XML_LIVE, NULL) : NULL;
  g_autoptr (VsmmuDomain) domain = xml != NULL ? vsmmu_domain_new_from_data (xml, strlen (xml), name, NULL) : NULL;
  g_autoptr (GPtrArray) devices = domain != NULL ? vsmmu_msi_forecast (domain, NULL) : NULL;

  for (guint i = 0; devices != NULL && i < devices->len; i++) {
    const VsmmuMsiDevice *device = g_ptr_array_index (devices, i);

    if (device->alias != NULL && device->vsmmu != NULL)
      offer (request, device->alias, device->host != NULL ? device->host : device->name);
  }
}

/* What completes a value or an operand, by its placeholder. */
static const struct {
  const char *value;
  void (*offer) (const Request *request);
} kinds[] = {
  { "ADDRESS", offer_devices }, { "DEVICE", offer_aliases }, { "DEVICE.xml", offer_xml }, { "DOMAIN", offer_domains },
  { "FACTS", offer_facts },     { "FILE", offer_any_file },  { "RULE", offer_rules },     { "TARGET", offer_targets },
  { "URI", offer_uris },        { "XML", offer_xml },
};

static void
offer_kind (const Request *request, const char *value)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].value, value) == 0)
      kinds[i].offer (request);
}

static void
offer_value (const Request *request)
{
  const char *const *words = request->option->words;

  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    offer (request, words[i], "");
  if (words == NULL)
    offer_kind (request, request->option->value);
}

/* What is next in "DOMAIN [DEVICE]" or "XML...". */
static void
offer_operand (const Request *request)
{
  g_auto (GStrv) places = g_strsplit (request->command->operands != NULL ? request->command->operands : "", " ", -1);
  guint n_places = g_strv_length (places);
  guint n = request->operands->len;
  g_auto (GStrv) parts = NULL;

  if (n >= n_places && n_places > 0 && strstr (places[n_places - 1], "...") != NULL)
    n = n_places - 1;
  if (n >= n_places)
    return;
  g_strdelimit (places[n], "[]", ' ');
  parts = g_strsplit (g_strstrip (places[n]), "...", 2);
  offer_kind (request, parts[0]);
}

/* Letters only where nothing but a dash is typed. */
static void
offer_options (const Request *request)
{
  for (const VsmmuOption *option = request->command->options; option->name != NULL; option++) {
    g_autofree char *name = g_strdup_printf ("--%s%s", option->name, option->value != NULL ? "=" : "");
    const char letter[] = { '-', option->letter, '\0' };

    offer (request, name, _ (option->description));
    if (option->letter != 0 && strcmp (request->word, "-") == 0)
      offer (request, letter, _ (option->description));
  }
  offer (request, "--help", _ ("show this help"));
}

static void
offer_commands (const Request *request)
{
  for (guint i = 0; vsmmu_commands[i] != NULL; i++)
    offer (request, vsmmu_commands[i]->name, _ (vsmmu_commands[i]->summary));
}

static void
offer_first (const Request *request)
{
  offer_commands (request);
  offer (request, "help", _ ("explain a command"));
  if (request->word[0] != '-')
    return;
  offer (request, "--help", _ ("show this help"));
  offer (request, "--version", _ ("show the version"));
}

/* (nullable): an option by its name, of @length bytes */
static const VsmmuOption *
find_option (const VsmmuCommand *command, const char *name, gsize length)
{
  for (const VsmmuOption *option = command->options; option->name != NULL; option++)
    if (strlen (option->name) == length && strncmp (option->name, name, length) == 0)
      return option;
  return NULL;
}

static const VsmmuOption *
find_letter (const VsmmuCommand *command, char letter)
{
  for (const VsmmuOption *option = command->options; option->name != NULL; option++)
    if (option->letter == letter)
      return option;
  return NULL;
}

/* Keeps what others are completed by. */
static void
take_option (Request *request, const VsmmuOption *option, const char *value)
{
  if (g_strcmp0 (option->value, "FACTS") == 0)
    request->facts = value;
  else if (g_strcmp0 (option->value, "URI") == 0)
    request->uri = value;
  else if (strcmp (option->name, "this-host") == 0)
    request->is_this_host = TRUE;
}

/* (nullable): the option in @word that wants the next word as its value */
static const VsmmuOption *
take_option_word (Request *request, const char *word)
{
  const VsmmuOption *option;

  if (word[1] == '-') {
    gsize length = strcspn (word + 2, "=");

    option = find_option (request->command, word + 2, length);
    if (option != NULL && option->value != NULL && word[2 + length] == '\0')
      return option;
    if (option != NULL)
      take_option (request, option, word + 2 + length + (word[2 + length] == '='));
    return NULL;
  }
  for (const char *letter = word + 1; *letter != '\0'; letter++) {
    option = find_letter (request->command, *letter);
    if (option != NULL && option->value != NULL && letter[1] == '\0')
      return option;
    if (option != NULL)
      take_option (request, option, letter + 1);
    if (option == NULL || option->value != NULL)
      return NULL;
  }
  return NULL;
}

/* Whether the option before @word, if any, is complete without it. */
static gboolean
needs_no_value (const Request *request, const char *word)
{
  return request->option != NULL && request->option->is_optional && word[0] == '-';
}

/* The last word; it is known whether options have ended. */
static void
take_last_word (Request *request, const char *word, gboolean are_options_over)
{
  const char *equals = strchr (word, '=');

  request->word = word;
  if (needs_no_value (request, word))
    request->option = NULL;
  if (request->option != NULL || are_options_over || word[0] != '-')
    return;
  request->is_option = TRUE;
  if (!g_str_has_prefix (word, "--") || equals == NULL)
    return;
  request->option = find_option (request->command, word + 2, (gsize) (equals - word) - 2);
  request->before = g_strndup (word, (gsize) (equals + 1 - word));
  request->word = equals + 1;
}

/* @words: behind the name of the command */
static void
take_words (Request *request, int n_words, char **words)
{
  gboolean are_options_over = FALSE;

  for (int i = 0; i + 1 < n_words; i++) {
    if (needs_no_value (request, words[i]))
      request->option = NULL;
    if (request->option != NULL) {
      take_option (request, request->option, words[i]);
      request->option = NULL;
    } else if (are_options_over || words[i][0] != '-' || words[i][1] == '\0') {
      g_ptr_array_add (request->operands, words[i]);
    } else if (strcmp (words[i], "--") == 0) {
      are_options_over = TRUE;
    } else {
      request->option = take_option_word (request, words[i]);
    }
  }
  take_last_word (request, words[n_words - 1], are_options_over);
}

static void
complete_command (const VsmmuCommand *command, int n_words, char **words)
{
  g_auto (Request) request = { .command = command, .operands = g_ptr_array_new () };

  take_words (&request, n_words, words);
  if (request.option != NULL && request.option->value != NULL)
    offer_value (&request);
  else if (request.is_option && request.before == NULL)
    offer_options (&request);
  else if (!request.is_option)
    offer_operand (&request);
}

/* Nothing is offered then, and nothing said. */
static void
on_alarm (int number G_GNUC_UNUSED)
{
  _exit (VSMMU_EXIT_CLEAN);
}

int
vsmmu_complete (int argc, char **argv)
{
  int n_words = argc - 2;
  char **words = argv + 2;
  Request first = { 0 };
  const VsmmuCommand *command;

  if (n_words < 1)
    return VSMMU_EXIT_FAILED;
  signal (SIGALRM, on_alarm);
  alarm (PATIENCE);
  first.word = words[n_words - 1];
  command = vsmmu_command_find (words[0]);
  if (n_words == 1)
    offer_first (&first);
  else if (n_words == 2 && strcmp (words[0], "help") == 0)
    offer_commands (&first);
  else if (command != NULL)
    complete_command (command, n_words - 1, words + 1);
  return VSMMU_EXIT_CLEAN;
}
