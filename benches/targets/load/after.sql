-- The indexes again.
set maintenance_work_mem = '1GB';
do $$
declare
    place record;
begin
    for place in select * from bench.put_aside order by back loop
        execute place.back;
    end loop;
end
$$;
drop schema bench cascade;
