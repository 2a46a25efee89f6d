/* VmTest.c -- docs/examples/vm: the heap is asked for more than it can give. */
#include "docs/examples/vm/Heap.h"
#include "testsuite/support/Test.h"

#include <capri/capri.h>

#define ROOM ((size_t)1 << 34) /* reserved, not used */

/* What does not fit into a size is not had at all, though there were room for it. */
TEST(Vm, moreThanASizeHolds)
{
    CHECK_EQ(rtsInit(NULL), 0);
    CHECK_EQ(heapOpen(ROOM, false), 0);
    CHECK(heapNew(0, (size_t)UINT32_MAX + 1) == NULL);
    CHECK(heapNew(0, SIZE_MAX) == NULL);
    Object *object = heapNew(2, 3);
    CHECK(object != NULL);
    CHECK_EQ(object->values, 2);
    CHECK_EQ(object->bytes, 3);
    CHECK_EQ(objectBytes(object) - (char *)object, sizeof(Object) + 2 * sizeof(Value));
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}
