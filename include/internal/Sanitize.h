/* Sanitize.h -- is this a build of AddressSanitizer (SANITIZE_ADDRESS), ThreadSanitizer
 * (SANITIZE_THREAD)?  gcc and clang tell in different ways. */
#ifndef INTERNAL_SANITIZE_H
#define INTERNAL_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZE_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZE_THREAD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZE_ADDRESS)
#define SANITIZE_ADDRESS 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(SANITIZE_THREAD)
#define SANITIZE_THREAD 1
#endif

#endif
