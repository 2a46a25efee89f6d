/* TestMain.c -- the main of every test program that does not bring one.
 *
 * Tests  every test program starts here.
 */
#include "testsuite/support/Test.h"

int main(int argc, char **argv)
{
    return testMain(argc, argv);
}
