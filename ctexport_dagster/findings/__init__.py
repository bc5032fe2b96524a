"""What a person should know of an export though nothing stopped it: refused rows, stray names, outdated deliveries."""
