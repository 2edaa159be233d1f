/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <vsmmu/vsmmu.h>

/* Exit status of every command. */
enum {
  VSMMU_EXIT_CLEAN = 0,    /* nothing wrong */
  VSMMU_EXIT_FINDINGS = 1, /* findings of severity error */
  VSMMU_EXIT_FAILED = 2,   /* the command could not be carried out */
};

/*
 * VsmmuOption:
 * @name: after two dashes
 * @letter: after one dash; 0 for none
 * @type: as GLib has it; with @words, %G_OPTION_ARG_STRING
 * @offset: of the value in the command's arguments: as GLib has it, but with @words an int, the index of the word
 * @description: (translatable): for --help
 * @value: (translatable) (nullable): placeholder of the value for --help; what completes it is known by this
 * @words: (nullable): NULL-terminated: the values there are, first the default
 * @is_optional: the value may be left out, and is "" then; with %G_OPTION_ARG_STRING_ARRAY
 * @is_for_file: may be in a file of defaults too, whoever wrote that; see vsmmu_defaults_read()
 */
typedef struct {
  const char *name;
  char letter;
  GOptionArg type;
  gsize offset;
  const char *description;
  const char *value;
  const char *const *words;
  gboolean is_optional;
  gboolean is_for_file;
} VsmmuOption;

/*
 * VsmmuCommand:
 * @summary: (translatable): for the list of commands
 * @operands: (translatable) (nullable): for --help, and for completion as @value of an option is
 * @explanation: (translatable): for --help, before the options
 * @epilogue: (translatable) (nullable): for --help, below the options
 * @options: ends with a row without a name
 * @arguments_size: bytes of the structure that options are read into; all its strings are freed for the command
 * @run: carries the command out with the NULL-terminated operands; returns the exit status
 *
 * A subcommand. The tables are what --help, completion and suggestions are made from.
 */
typedef struct {
  const char *name;
  const char *summary;
  const char *operands;
  const char *explanation;
  const char *epilogue;
  const VsmmuOption *options;
  gsize arguments_size;
  int (*run) (gconstpointer arguments, int n_operands, char **operands);
} VsmmuCommand;

extern const VsmmuCommand vsmmu_command_check;
extern const VsmmuCommand vsmmu_command_args;
extern const VsmmuCommand vsmmu_command_adapt;
extern const VsmmuCommand vsmmu_command_msi;
extern const VsmmuCommand vsmmu_command_verify;
extern const VsmmuCommand vsmmu_command_watch;
extern const VsmmuCommand vsmmu_command_host;
extern const VsmmuCommand vsmmu_command_plan;
extern const VsmmuCommand vsmmu_command_graph;
extern const VsmmuCommand vsmmu_command_explain;

/* NULL-terminated, in the order of the help */
extern const VsmmuCommand *const vsmmu_commands[];

/* (nullable): the command that is called @name */
const VsmmuCommand *vsmmu_command_find (const char *name);

/*
 * vsmmu_command_run:
 * @argv: the first is the name of the command
 *
 * Parses the command line and carries the command out; --help prints and exits.
 *
 * Returns: the exit status
 */
int vsmmu_command_run (const VsmmuCommand *command, int argc, char **argv);

/* Prints what --help of the command prints. */
void vsmmu_command_print_help (const VsmmuCommand *command);

/* Says that there is no command @name, and which may be meant. */
void vsmmu_command_complain_unknown (const char *name);

/* (nullable): the rule @id; %NULL after an error message with a suggestion */
const VsmmuRule *vsmmu_command_find_rule (const char *id);

/* Whether @fd is a terminal that knows escape sequences. */
gboolean vsmmu_command_is_terminal (int fd);

/* Writes out stdout; %FALSE after saying that it cannot be written. */
gboolean vsmmu_command_flush (void);

/* Prints "virt-vsmmu: message" to stderr, without anything that might drive a terminal. */
void vsmmu_command_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);
