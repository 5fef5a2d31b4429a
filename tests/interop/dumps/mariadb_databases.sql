/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	10.11.19-MariaDB-0+deb12u1

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Current Database: `shop`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */;

USE `shop`;

--
-- Table structure for table `empty_one`
--

DROP TABLE IF EXISTS `empty_one`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `empty_one` (
  `id` int(11) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `empty_one`
--

LOCK TABLES `empty_one` WRITE;
/*!40000 ALTER TABLE `empty_one` DISABLE KEYS */;
/*!40000 ALTER TABLE `empty_one` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = '' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 trigger tr before insert on empty_one for each row set new.id = new.id + 1 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Table structure for table `log_`
--

DROP TABLE IF EXISTS `log_`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `log_` (
  `id` int(11) DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `log_`
--

LOCK TABLES `log_` WRITE;
/*!40000 ALTER TABLE `log_` DISABLE KEYS */;
INSERT INTO `log_` VALUES
(1),
(2),
(3);
/*!40000 ALTER TABLE `log_` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `odd``name`
--

DROP TABLE IF EXISTS `odd``name`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `odd``name` (
  `a b` int(11) NOT NULL,
  `select` varchar(20) DEFAULT NULL,
  PRIMARY KEY (`a b`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `odd``name`
--

LOCK TABLES `odd``name` WRITE;
/*!40000 ALTER TABLE `odd``name` DISABLE KEYS */;
INSERT INTO `odd``name` VALUES
(1,'),(2,\'x'),
(2,'\\');
/*!40000 ALTER TABLE `odd``name` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Temporary table structure for view `v`
--

DROP TABLE IF EXISTS `v`;
/*!50001 DROP VIEW IF EXISTS `v`*/;
SET @saved_cs_client     = @@character_set_client;
SET character_set_client = utf8mb4;
/*!50001 CREATE VIEW `v` AS SELECT
 NULL AS `id` */;
SET character_set_client = @saved_cs_client;

--
-- Table structure for table `values of all kinds`
--

DROP TABLE IF EXISTS `values of all kinds`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `values of all kinds` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `tiny` tinyint(4) DEFAULT NULL,
  `flag` tinyint(1) DEFAULT NULL,
  `ub` bigint(20) unsigned DEFAULT NULL,
  `big` bigint(20) DEFAULT NULL,
  `mid` mediumint(9) DEFAULT NULL,
  `yr` year(4) DEFAULT NULL,
  `dec_` decimal(20,6) DEFAULT NULL,
  `fl` float DEFAULT NULL,
  `dbl` double DEFAULT NULL,
  `bits` bit(1) DEFAULT NULL,
  `many_bits` bit(12) DEFAULT NULL,
  `name` varchar(200) DEFAULT NULL COMMENT 'a, (b) ''c''; d',
  `the text` mediumtext DEFAULT NULL,
  `kind` enum('x','y,z','it''s') DEFAULT 'x',
  `tags` set('a','b') DEFAULT NULL,
  `bin` varbinary(300) DEFAULT NULL,
  `lob` longblob DEFAULT NULL,
  `fixed_bin` binary(4) DEFAULT NULL,
  `d` date DEFAULT NULL,
  `t` time(3) DEFAULT NULL,
  `dt` datetime(6) DEFAULT NULL,
  `ts` timestamp(6) NULL DEFAULT NULL,
  `js` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`js`)),
  `twice` int(11) GENERATED ALWAYS AS (`tiny` * 2) STORED,
  PRIMARY KEY (`id`),
  KEY `k` (`name`(10)),
  FULLTEXT KEY `f` (`the text`),
  CONSTRAINT `CONSTRAINT_1` CHECK (`tiny` > -129)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='x; y';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `values of all kinds`
--

LOCK TABLES `values of all kinds` WRITE;
/*!40000 ALTER TABLE `values of all kinds` DISABLE KEYS */;
INSERT INTO `values of all kinds` VALUES
(1,-128,1,18446744073709551615,-9223372036854775808,-8388608,2024,-12345678901234.567891,1.5,-1e300,'','\n�','it\'s \"quoted\" \\ back\\slash','line1\nline2\r\n	tab\0nul\Zctrl','y,z','a,b','\0�\'\"\\\n\r\Z','','\0','2024-02-29','23:59:59.123','2024-02-29 10:00:00.123456','2024-02-29 04:30:00.500000','{\"a\": [1, \"ü\"]}',-256),
(2,127,0,0,9223372036854775807,8388607,1901,0.000000,-0.25,0.1,'\0','\0\0','',' ünïcödé 🙂 -- no comment /* nor this */ ; ','it\'s','','','abc','\0\0\0\0','1000-01-01','00:00:00.000','1000-01-01 00:00:00.000000','1970-01-01 00:00:01.000000','[]',254),
(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `values of all kinds` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Dumping routines for database 'shop'
--

--
-- Current Database: `shop`
--

USE `shop`;

--
-- Final view structure for view `v`
--

/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 SET @saved_cs_client          = @@character_set_client */;
/*!50001 SET @saved_cs_results         = @@character_set_results */;
/*!50001 SET @saved_col_connection     = @@collation_connection */;
/*!50001 SET character_set_client      = utf8mb4 */;
/*!50001 SET character_set_results     = utf8mb4 */;
/*!50001 SET collation_connection      = utf8mb4_general_ci */;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select `empty_one`.`id` AS `id` from `empty_one` */;
/*!50001 SET character_set_client      = @saved_cs_client */;
/*!50001 SET character_set_results     = @saved_cs_results */;
/*!50001 SET collation_connection      = @saved_col_connection */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2026-11-26 17:04:24
