/* ModelMain.c -- the command line of a model program.
 *
 * Before  every program of testsuite/model/.      After  Explorer.c.
 * Tests   testsuite/model/mutate.py --self-test
 */
#include "testsuite/model/Explorer.h"
#include "testsuite/model/Site.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Arguments {
    bool list;
    const char *only; /* NULL: all */
    ModelOptions options;
} Arguments;

static bool parseArguments(int argc, char **argv, Arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0)
            arguments->list = true;
        else if (strcmp(argv[i], "--full") == 0)
            arguments->options.full = true;
        else if (strcmp(argv[i], "--only") == 0 && more)
            arguments->only = argv[++i];
        else if (strcmp(argv[i], "--limit") == 0 && more)
            arguments->options.limit = strtoull(argv[++i], NULL, 10);
        else
            return false;
    }
    return true;
}

/* One model, one line.  Returns whether it holds. */
static bool runModel(const Model *model, ModelOptions options, ModelResult *result)
{
    ModelVerdict verdict = modelRun(model, options, result);
    if (verdict == ModelHolds)
        printf("%s: %" PRIu64 " executions, %" PRIu64 " choices, ok\n", model->name,
               result->executions, result->choices);
    else
        printf("%s: %s: %s (after %" PRIu64 " executions)\n", model->name,
               verdict == ModelFailed ? "FAILED" : "TRUNCATED", result->reason, result->executions);
    fflush(stdout);
    return verdict == ModelHolds;
}

int modelMain(int argc, char **argv, const Model *models, int count)
{
    static ModelResult result;
    Arguments arguments = {0};
    if (!parseArguments(argc, argv, &arguments)) {
        fprintf(stderr, "usage: %s [--list] [--only NAME] [--full] [--limit EXECUTIONS]\n",
                argv[0]);
        return 2;
    }
    if (!sitesStart())
        return 2;
    int run = 0, failed = 0;
    for (int i = 0; i < count; i++) {
        if (arguments.list)
            printf("%s\n", models[i].name);
        if (arguments.list || (arguments.only && strcmp(arguments.only, models[i].name) != 0))
            continue;
        run++;
        if (!runModel(&models[i], arguments.options, &result))
            failed++;
        if (!sitesWrite(models[i].name))
            return 2;
        if (failed && sitesWeakening())
            break; /* one model is enough to notice */
    }
    if (!arguments.list && run == 0) {
        fprintf(stderr, "no such model\n");
        return 2;
    }
    if (sitesWeakening() && !arguments.list && !sitesWeakened()) {
        fprintf(stderr, "CAPRI_MODEL_WEAKEN: no model executes that site\n");
        return 2;
    }
    return failed ? 1 : 0;
}
