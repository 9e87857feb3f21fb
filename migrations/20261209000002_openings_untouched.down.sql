-- Back: nothing is lost. What was folded anew stays as it is until something folds it again.
set local lock_timeout = '500ms';
