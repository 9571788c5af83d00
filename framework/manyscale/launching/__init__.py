"""How a coupling is started and watched."""
