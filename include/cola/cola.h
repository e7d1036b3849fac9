#pragma once
// Everything an application includes.
#include "cola/language_model.h"
#include "cola/train.h"
#include "cola/version.h"
