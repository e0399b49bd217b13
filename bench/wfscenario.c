/* The library, compiled alone, as a program that uses it would. */
#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"
