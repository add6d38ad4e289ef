package media

import ()
