// The worker that solves challenges: the official one, from our own origin, for the policy allows no other.

import "altcha/workers/pbkdf2";
