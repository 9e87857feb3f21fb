drop function ops.analyze_grown(boolean);
