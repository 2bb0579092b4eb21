           05 LK-CUSTOMER.
               10 LK-NUMBER PIC 9(6).
               10 LK-NAME PIC X(20).
               10 LK-KIND PIC X.
                   88 LK-IS-NEW VALUE "N".
