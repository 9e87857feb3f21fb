-- What was noted stays true.
select 1;
