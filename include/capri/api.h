/* capri/api.h -- how a public function is declared: exported, with the linker name capri_<name>. */
#ifndef CAPRI_API_H
#define CAPRI_API_H

#define CAPRI_EXPORT __attribute__((visibility("default")))
#define CAPRI_NAME(name) __asm__("capri_" #name)

#endif
