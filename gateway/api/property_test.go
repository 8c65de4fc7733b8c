package api

import _ "walcast/internal/property" // the same values in every run
