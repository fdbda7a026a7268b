#ifndef BASE_WIPEFREE_H
#define BASE_WIPEFREE_H

/**
 * wipefree_enable():
 * From now on overwrite every block that is given back to malloc, whoever gives it back: libfcgi,
 * json-c and libpq free what they read (API keys, credentials) without wiping it.  Works by free()
 * and realloc() of our own in front of glibc's, which come into a program only where this is
 * called; under AddressSanitizer it does nothing.  glibc's own M_PERTURB leaves out blocks under 1
 * KiB that go to the thread's cache: measured, an API key stayed readable.
 */
void wipefree_enable(void);

#endif
