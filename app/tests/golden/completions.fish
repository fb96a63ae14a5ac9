complete --keep-order --exclusive --command conns --arguments "(CONNS_COMPLETE=fish conns -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
