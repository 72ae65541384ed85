-- name: sign_up$
-- gives: the id of a new user
select sign_up();

-- name: insert_user$
-- takes: role
-- gives: the new user's id
insert into users (role) values (:role::user_role) returning id;

-- name: lock_first_admin
-- locks: nothing but itself, until the transaction ends, against two nodes that start at once
select pg_advisory_xact_lock(hashtext('mysetlist.first_admin'));

-- name: insert_first_admin$
-- gives: the id of a new administrator; none when there is one already
insert into users (role)
select 'admin' where not exists (select 1 from users where role = 'admin')
returning id;
