      *> What programs of tsugi are told, and how operations end.
      *> CALL "TSUGISQL"   USING TSUGI-RESULT statement [parameter ...]
      *> CALL "TSUGIROW"   USING TSUGI-RESULT column ...
      *> CALL "TSUGICALL"  USING TSUGI-RESULT service [parameter ...]
      *> CALL "TSUGILOG"   USING level text
      *> CALL "TSUGIABORT" USING text
      *> CALL "TSUGIINFO"  USING TSUGI-INFO
      *> CALL "TSUGILEFT"  USING milliseconds
      *> Reserved, answered 74: TSUGIPUT, TSUGITIMER, TSUGICANCEL, TSUGINEXT, TSUGIOUT.
      *> TSUGI-RESULT may be cut short behind any item; PIC XX is a result.
       01  TSUGI-RESULT.
           05  TSUGI-CODE             PIC XX.
               88  TSUGI-DONE                VALUE "00".
               88  TSUGI-NO-ROW              VALUE "10".
               88  TSUGI-DUPLICATE           VALUE "22".
               88  TSUGI-CONSTRAINT          VALUE "23".
               88  TSUGI-TOO-LARGE           VALUE "34".
               88  TSUGI-NOT-ALLOWED         VALUE "37".
               88  TSUGI-MISTAKEN            VALUE "42".
               88  TSUGI-CALLEE-REFUSED      VALUE "60".
               88  TSUGI-CALLEE-FAILED       VALUE "61".
               88  TSUGI-CYCLE               VALUE "62".
               88  TSUGI-TOO-DEEP            VALUE "63".
               88  TSUGI-WRITER-HELD         VALUE "64".
               88  TSUGI-LATE                VALUE "65".
               88  TSUGI-NOT-IN-THIS-VERSION VALUE "74".
           05  TSUGI-SQLSTATE         PIC X(5).
           05  TSUGI-MESSAGE          PIC X(12).
      *>   Rows that a statement changed; RETURN-CODE of a service.
           05  TSUGI-ROWS             PIC S9(18)
                                      SIGN LEADING SEPARATE.
           05  TSUGI-TEXT             PIC X(200).
       01  TSUGI-INFO.
           05  TSUGI-ATTEMPT          PIC 9(9).
           05  TSUGI-EPOCH            PIC 9(18).
           05  TSUGI-CALL-ID          PIC X(64).
           05  TSUGI-PARENT           PIC X(64).
           05  TSUGI-CLIENT           PIC X(64).
           05  TSUGI-SERVICE          PIC X(32).
           05  TSUGI-GROUP            PIC X(64).
           05  TSUGI-NODE             PIC X(64).
