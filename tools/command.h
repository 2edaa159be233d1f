/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Exit status of every command. */
enum {
  VSMMU_EXIT_CLEAN = 0,    /* nothing wrong */
  VSMMU_EXIT_FINDINGS = 1, /* findings of severity error */
  VSMMU_EXIT_FAILED = 2,   /* the command could not be carried out */
};

/* A subcommand: argv[0] is its name; returns the exit status. */
int vsmmu_command_check (int argc, char **argv);
int vsmmu_command_args (int argc, char **argv);
int vsmmu_command_adapt (int argc, char **argv);
int vsmmu_command_host (int argc, char **argv);
int vsmmu_command_plan (int argc, char **argv);
int vsmmu_command_msi (int argc, char **argv);
int vsmmu_command_verify (int argc, char **argv);
int vsmmu_command_watch (int argc, char **argv);
int vsmmu_command_explain (int argc, char **argv);
int vsmmu_command_graph (int argc, char **argv);

/*
 * vsmmu_command_parse:
 * @context: (transfer full): the options of a subcommand
 *
 * Parses the command line of a subcommand; --help prints and exits.
 *
 * Returns: %FALSE after saying on stderr what is wrong
 */
gboolean vsmmu_command_parse (GOptionContext *context, int *argc, char ***argv);

/*
 * vsmmu_command_choose:
 * @option: name of the option, for the message
 * @value: (nullable): what the user gave; %NULL for the first choice
 * @choices: NULL-terminated
 *
 * Returns: the index of @value in @choices, or -1 after saying what is wrong
 */
int vsmmu_command_choose (const char *option, const char *value, const char *const *choices);

/* Writes out stdout; %FALSE after saying that it cannot be written. */
gboolean vsmmu_command_flush (void);

/* Prints "virt-vsmmu: message" to stderr, without anything that might drive a terminal. */
void vsmmu_command_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);
