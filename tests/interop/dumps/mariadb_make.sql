drop database if exists shop; create database shop character set utf8mb4; use shop; set sql_mode=''; set time_zone='+05:30'; set names utf8mb4;
create table `values of all kinds` (
  id int unsigned not null auto_increment primary key, tiny tinyint, flag tinyint(1), ub bigint unsigned, big bigint, mid mediumint, yr year,
  dec_ decimal(20,6), fl float, dbl double, bits bit(1), many_bits bit(12), name varchar(200) comment 'a, (b) ''c''; d', `the text` mediumtext, kind enum('x','y,z','it''s') default 'x',
  tags set('a','b'), bin varbinary(300), lob longblob, fixed_bin binary(4), d date, t time(3), dt datetime(6), ts timestamp(6) null default null, js json,
  twice int generated always as (tiny * 2) stored, key k (name(10)), fulltext key f (`the text`), check (tiny > -129)
) comment='x; y';
insert into `values of all kinds` (id,tiny,flag,ub,big,mid,yr,dec_,fl,dbl,bits,many_bits,name,`the text`,kind,tags,bin,lob,fixed_bin,d,t,dt,ts,js) values
 (1,-128,1,18446744073709551615,-9223372036854775808,-8388608,2024,-12345678901234.567891,1.5,-1e300,b'1',b'101010101010','it''s "quoted" \\ back\\slash','line1\nline2\r\n\ttab\0nul\Zctrl','y,z','a,b',x'00ff27225c0a0d1a','',x'01020300','2024-02-29','23:59:59.123','2024-02-29 10:00:00.123456','2024-02-29 10:00:00.5','{"a": [1, "ü"]}'),
 (2,127,0,0,9223372036854775807,8388607,1901,0,-0.25,0.1,b'0',b'0','',' ünïcödé 🙂 -- no comment /* nor this */ ; ','it''s','',x'','abc',x'00000000','1000-01-01','00:00:00','1000-01-01 00:00:00','1970-01-01 05:30:01','[]'),
 (3,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null);
create table `odd``name` (`a b` int, `select` varchar(20), primary key (`a b`)); insert into `odd``name` values (1,'),(2,''x'),(2,'\\');
create table empty_one (id int);
create view v as select id from empty_one;
create trigger tr before insert on empty_one for each row set new.id = new.id + 1;
create table log_ (id int); insert into log_ select seq from seq_1_to_3;
