#ifndef CTL_UNITS_H
#define CTL_UNITS_H

#include <stdbool.h>

#include "base/err.h"
#include "ctl/ctl.h"

/* The systemd unit that holds what is installed here. */
#define UNITS_TARGET "sigsentry.target"

/**
 * units_are_here():
 * Does systemd run this machine, and does it know UNITS_TARGET?
 */
bool units_are_here(void);

/**
 * units_start(ctl):
 * Have systemd start what is installed and does not run yet, and wait until that is up.
 * ERR_DENIED: it could not; the reason is in ${ctl}->why, and systemctl's own words on standard
 * error.
 */
enum err units_start(const struct ctl *ctl) MUST_CHECK;

#endif
