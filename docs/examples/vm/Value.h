/* Value.h -- what a variable holds: nothing, a number, or an object on the heap, which moves.
 *
 *     0        nothing
 *     ......1  a number of 63 bits
 *     ......0  the address of an Object, good until the next collection: See Note [Addresses]
 */
#ifndef CAPRI_VM_VALUE_H
#define CAPRI_VM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t Value;

typedef enum Kind {
    KindBytes = 0xb17e5, /* bytes follow; after all others Values do */
    KindPair = 0x9a17,
    KindChannel = 0xc4a2,
    KindFrame = 0xf7a3,
    KindMoved = 0x30ed /* it is elsewhere now: the word that follows says where */
} Kind;

typedef struct Object {
    uint32_t kind;
    uint32_t size; /* how many bytes, or Values, follow */
} Object;

static inline Value valueOfNumber(int64_t number)
{
    return (Value)number << 1 | 1;
}

static inline bool valueIsNumber(Value value)
{
    return (value & 1) != 0;
}

static inline int64_t valueNumber(Value value)
{
    return (int64_t)value >> 1;
}

static inline Object *valueObject(Value value)
{
    return (Object *)value;
}

static inline Value *objectValues(Object *object)
{
    return (Value *)(void *)(object + 1);
}

static inline char *objectBytes(Object *object)
{
    return (char *)(object + 1);
}

/* objectSpace -- what an object of that size takes: at least room for an address. */
static inline size_t objectSpace(Kind kind, uint32_t size)
{
    size_t bytes = kind == KindBytes ? size : size * sizeof(Value);
    bytes = (bytes + sizeof(Value) - 1) / sizeof(Value) * sizeof(Value);
    return sizeof(Object) + (bytes == 0 ? sizeof(Value) : bytes);
}

#endif
