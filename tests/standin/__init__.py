"""A stand-in for the Gemini API over real HTTP: tests script it, the unmodified SDK talks to it."""
