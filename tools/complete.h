/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vsmmu_complete:
 * @argv: `complete`, `--`, and the words of a command line behind `virt-vsmmu` up to the cursor
 *
 * The hidden command that shells ask: see data/bash-completion. Prints what the last word may become, a candidate with
 * its description behind a tab in a line. A line `:files`, a tab, PATTERN, a tab and PREFIX stands for files that match
 * PATTERN, completed by the shell from what follows PREFIX in the word. What takes too long is not offered.
 *
 * Returns: the exit status
 */
int vsmmu_complete (int argc, char **argv);
