#ifndef API_TENANT_SETTINGS_H
#define API_TENANT_SETTINGS_H

struct call;

/**
 * tenant_settings_get(c), tenant_settings_put(c):
 * Answer with the tenant's settings of notifications; change them (contract §3 "Settings").
 */
void tenant_settings_get(struct call *c);
void tenant_settings_put(struct call *c);

#endif
