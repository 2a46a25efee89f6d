/* Site.h -- the places in the source where an atomic stands, and weakening one of them.
 *
 * Environment
 *   CAPRI_MODEL_SITES=PATH         append "model <tab> kind <tab> order <tab> site" for each site
 *   CAPRI_MODEL_WEAKEN=SITE=ORDER  run that one site with ORDER: RELAXED, ACQUIRE, RELEASE,
 *   ACQ_REL,
 *                                  or NOTHING for a SMP_MEMBARRIER.  Without =ORDER: one step
 *                                  weaker; of an ACQ_REL the RELEASE stays
 */
#ifndef MODEL_SITE_H
#define MODEL_SITE_H

#include "testsuite/model/Step.h"

enum { SITE_NOTHING = -1 }; /* a membarrier that is left out */

/* Read the environment; false (and a line on stderr) when it makes no sense. */
bool sitesStart(void);

/* The order with which `site` is to run; remembers that the model got there. */
int siteVisit(const char *site, OpKind kind, int order);

/* The model is over: append its sites to CAPRI_MODEL_SITES, forget them. */
bool sitesWrite(const char *model);

/* Is a site to be weakened, and did any model get there? */
bool sitesWeakening(void);
bool sitesWeakened(void);

const char *orderName(int order);

#endif
