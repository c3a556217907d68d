"""Teaching while watching: snapshots are learnt as they are taken, and the picture goes on."""
