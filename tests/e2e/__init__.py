"""The installed commands as processes of their own, against the Gemini stand-in, a real Valkey and the real sandbox."""
